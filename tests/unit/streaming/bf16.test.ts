/** bfloat16 in an executor's memory: the same bits as the definition, for every half, every rounding and any length. */
import { expect, test } from "vitest";
import { bf16Array, f32FromBf16Array } from "../../../src/lib/bf16.ts";
import { Bf16Kernels } from "../../../src/streaming/bf16.ts";

const memory = new WebAssembly.Memory({ initial: 16 });
const kernels = new Bf16Kernels(memory);
const bits = (values: Float32Array) => new Uint32Array(values.slice().buffer);

// 65,536: every half there is. 0–17: with and without a rest; the place of 8 is spread over in one turn.
test.for([65_536, 0, 1, 7, 8, 9, 16, 17])("%i halves widen to the same bits", (length) => {
  const halves = Uint16Array.from({ length }, (_, i) => (length === 65_536 ? i : 40_503 * i));
  const into = new Float32Array(memory.buffer, 48, length); // not on a multiple of 32
  kernels.widen(new Uint8Array(halves.buffer), into);
  expect(bits(into)).toEqual(bits(f32FromBf16Array(halves)));
});

test.for([16_384, 0, 1, 7, 8, 9, 16, 17])("%i floats round to the same halves, in place", (length) => {
  // Bits spread over all exponents and signs; halves (ties), just above and below, infinities and NaN among them.
  const special = [0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffffffff, 0x7f7fffff, 0x3f808000, 0x3f818000, 0x3f807fff, 0x3f808001, 0x80000000, 0x00008000, 0x00018000];
  const words = Uint32Array.from({ length }, (_, i) => special[i] ?? Math.imul(i, 2_654_435_761));
  const values = new Float32Array(memory.buffer, 64, length);
  new Uint32Array(memory.buffer, 64, length).set(words);
  const wanted = bf16Array(new Float32Array(words.buffer));
  const bytes = kernels.narrow(values);
  expect(new Uint16Array(bytes.slice().buffer)).toEqual(wanted);
});

test("it knows its own memory", () => {
  expect(kernels.has(new Float32Array(memory.buffer, 0, 4))).toBe(true);
  expect(kernels.has(new Float32Array(4))).toBe(false);
});
