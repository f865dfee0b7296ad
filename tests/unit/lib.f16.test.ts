import fc from "fast-check";
import { expect, test } from "vitest";
import { sha256 } from "../../src/lib/bytes.ts";
import { bf16FromF32, f16Array, f16FromF32, f32FromBf16, f32FromF16, f32FromF16Array } from "../../src/lib/f16.ts";

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
  expect(bf16FromF32(1 + 2 ** -8)).toBe(0x3f80);
  expect(bf16FromF32(1 + 3 * 2 ** -8)).toBe(0x3f82);
  expect(Number.isNaN(f32FromBf16(bf16FromF32(NaN)))).toBe(true);
});

test("a half is never further than half a step away", () => {
  fc.assert(fc.property(fc.float({ min: -60000, max: 60000, noNaN: true }), (value) => {
    const back = f32FromF16(f16FromF32(value));
    expect(Math.abs(back - value)).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(value) * 2 ** -11));
  }));
});

test("arrays convert as their elements do", () => {
  const values = Float32Array.of(0, -0, 1e-7, 0.1, -3.14159, 7e4, NaN, -Infinity);
  const halves = f16Array(values);
  values.forEach((value, i) => {
    if (!Number.isNaN(value)) expect(halves[i]).toBe(f16FromF32(value));
  });
  expect(Number.isNaN(f32FromF16Array(halves)[6])).toBe(true);
});

test("SHA-256 of abc", async () => {
  expect(await sha256("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
