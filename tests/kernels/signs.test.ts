import { expect, test } from "vitest";
import { filled, gpuWith, theGpu } from "./gpu.ts";
import { directions, family, makeSpace } from "./sample.ts";

// 1 and 193: a partly filled block, padding behind it; 5000: several; an empty tensor; one that is kept transposed.
const space = makeSpace([{ shape: [1] }, { shape: [193] }, { shape: [5000] }, { shape: [0] }, { shape: [40, 51], transposed: true }]);

/** Every seventh element of the first expert, and all of the second's last tensor, is the base's. */
function models() {
  const [base, first, second] = family(space, 2) as [Float32Array[], Float32Array[], Float32Array[]];
  first.forEach((values, s) => values.forEach((_, i) => { if (i % 7 === 0) values[i] = base[s]![i]!; }));
  second[4]!.set(base[4]!);
  // The smallest number there is counts as one: here δ is 1e-45 in one place.
  base[1]![3] = 0;
  first[1]![3] = 1e-45;
  return [base, first, second] as Float32Array<ArrayBuffer>[][];
}

test.each(["f32", "f16"] as const)("zeros, sign conflicts and inner products agree with their CPU twin, %s", async (precision) => {
  const specs = directions(2, precision);
  const basis = await filled(space, specs, models(), await theGpu());
  const twin = await (await filled(space, specs, models(), null)).statistics(2);
  const got = await basis.statistics(2);
  expect(got.zeros).toEqual(twin.zeros); // whole numbers
  expect(got.conflicts).toEqual(twin.conflicts);
  for (let s = 0; s < 5; s++) {
    const at = (i: number, j: number) => (s * 2 + i) * 2 + j;
    for (const [i, j] of [[0, 0], [0, 1], [1, 0], [1, 1]] as const) {
      const size = Math.sqrt(twin.dots[at(i, i)]! * twin.dots[at(j, j)]!);
      expect(Math.abs(got.dots[at(i, j)]! - twin.dots[at(i, j)]!)).toBeLessThanOrEqual(12 * 2 ** -24 * size); // as of the Gram matrix
    }
  }
  basis.destroy();
});

test("counts are those of the task vectors, by hand", async () => {
  const [base, first, second] = models() as [Float32Array[], Float32Array[], Float32Array[]];
  const { zeros, conflicts, dots } = await (await filled(space, directions(2), models(), null)).statistics(2);
  space.segments.forEach(({ length }, s) => {
    let [none, opposed, dot] = [0, 0, 0];
    for (let i = 0; i < length; i++) {
      const [a, b] = [Math.fround(first[s]![i]! - base[s]![i]!), Math.fround(second[s]![i]! - base[s]![i]!)];
      if (a === 0) none++;
      if (a * b < 0) opposed++;
      dot += a * b;
    }
    expect(zeros[2 * s]).toBe(none);
    expect(conflicts[s]).toBe(opposed);
    expect(dots[4 * s + 1]).toBeCloseTo(dot, 4);
  });
  expect(zeros[9]).toBe(40 * 51);
  expect(zeros[2]).toBeLessThan(zeros[4]!);
});

test("what is counted does not depend on how tensors are cut", async () => {
  const small = await gpuWith({ limits: { maxStorageBufferBindingSize: 1 << 13 } });
  const [cut, whole] = [await filled(space, directions(2), models(), small), await filled(space, directions(2), models(), await theGpu())];
  expect(await cut.statistics(2)).toEqual(await whole.statistics(2));
  whole.destroy();
  small.destroy();
});
