import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256 } from "../../src/lib/bytes.ts";
import { bf16Array, bf16FromF32, bf16Into, f32FromBf16, f32FromBf16Array, f32FromBf16Into } from "../../src/lib/bf16.ts";
import { f16Array, f16FromF32, f32FromF16, f32FromF16Array } from "../../src/lib/f16.ts";

test("every half survives the way to f32 and back", () => {
  for (let half = 0; half < 65536; half++) {
    const value = f32FromF16(half);
    if (Number.isNaN(value)) expect(f16FromF32(value) & 0x7e00).toBe(0x7e00);
    else expect(f16FromF32(value)).toBe(half);
  }
});

test("rounds to nearest, ties to even", () => {
  expect(f16FromF32(1 + 2 ** -11)).toBe(0x3c00); // tie: down to even
  expect(f16FromF32(1 + 3 * 2 ** -11)).toBe(0x3c02); // tie: up to even
  expect(f16FromF32(65519.996)).toBe(0x7bff);
  expect(f16FromF32(65520)).toBe(0x7c00);
  expect(f16FromF32(2 ** -25)).toBe(0); // tie between 0 and the smallest
  expect(f16FromF32(1.0001 * 2 ** -25)).toBe(1);
  expect(f16FromF32(-(2 ** -24) * 1.5)).toBe(0x8002);
});

test("a half is never further than half a step away", () => {
  fc.assert(fc.property(fc.float({ min: -60000, max: 60000, noNaN: true }), (value) => {
    const back = f32FromF16(f16FromF32(value));
    expect(Math.abs(back - value)).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(value) * 2 ** -11));
  }));
});

/** f32 of every exponent, at and beside each place where rounding to a half or to a bf16 turns. */
function turns(): Float32Array {
  const bits: number[] = [];
  for (let exponent = 0; exponent < 256; exponent++)
    for (const fraction of [0, 0x1000, 0x3000, 0x7fff, 0x8000, 0x18000, 0x400000, 0x7fe000, 0x7ff000, 0x7f8000, 0x7fffff])
      for (const near of [-1, 0, 1]) for (const sign of [0, 0x80000000]) bits.push(sign + ((((exponent << 23) | fraction) + near) & 0x7fffffff));
  return new Float32Array(Uint32Array.from(bits).buffer);
}

test("arrays convert as their elements do, whatever they are", () => {
  const values = turns();
  const [halves, alone] = [f16Array(values), Array.from(values, f16FromF32)];
  // A NaN's payload is nobody's business.
  values.forEach((value, i) => expect(Number.isNaN(value) ? f32FromF16(halves[i] as number) : halves[i]).toBe(Number.isNaN(value) ? NaN : alone[i]));
  const every = Uint16Array.from({ length: 65536 }, (_, half) => half);
  expect(f32FromF16Array(every)).toEqual(Float32Array.from(every, f32FromF16));
});

test("bfloat16: nearest, ties to even, NaN stays NaN", () => {
  expect(bf16FromF32(1 + 2 ** -8)).toBe(0x3f80); // tie: down to even
  expect(bf16FromF32(1 + 3 * 2 ** -8)).toBe(0x3f82); // tie: up to even
  expect(bf16FromF32(3.4e38)).toBe(0x7f80);
  expect(bf16FromF32(-(2 ** -134) * 1.01)).toBe(0x8001);
  // The payload that a careless rounding would carry into infinity, and past it.
  for (const bits of [0x7f800001, 0x7fffffff, 0xff800001, 0xffffffff]) {
    const value = new Float32Array(Uint32Array.of(bits).buffer);
    expect(Number.isNaN(f32FromBf16(bf16Array(value)[0] as number))).toBe(true);
  }
});

test("bfloat16 arrays convert as their elements do, whatever they are and wherever they lie", () => {
  const values = turns();
  expect([...bf16Array(values)]).toEqual(Array.from(new Uint32Array(values.buffer), (bits) => {
    if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
    const [kept, rest] = [Math.floor(bits / 65536), bits % 65536];
    return rest > 0x8000 || (rest === 0x8000 && kept % 2 === 1) ? kept + 1 : kept;
  }));
  const every = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
  expect(f32FromBf16Array(every)).toEqual(Float32Array.from(every, f32FromBf16));
  // Lengths around the four and two of a turn; starts on and off a whole word.
  for (let length = 0; length < 10; length++) {
    for (const start of [0, 1, 2, 3]) {
      const halves = new Uint16Array(20).fill(0xabcd);
      const back = new Float32Array(20).fill(7);
      bf16Into(values.subarray(501, 501 + length), halves.subarray(start, start + length));
      f32FromBf16Into(halves.subarray(start, start + length), back.subarray(start, start + length));
      const want = Array.from(values.subarray(501, 501 + length), bf16FromF32);
      expect([...halves]).toEqual([...Array(start).fill(0xabcd), ...want, ...Array(20 - start - length).fill(0xabcd)]);
      expect([...back]).toEqual([...Array(start).fill(7), ...want.map(f32FromBf16), ...Array(20 - start - length).fill(7)]);
    }
  }
});

test("SHA-256 of abc", async () => {
  expect(await sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
