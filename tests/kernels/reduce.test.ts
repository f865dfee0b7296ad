import { expect, test } from "vitest";
import { filled, gpuWith, theGpu } from "./gpu.ts";
import { directions, family, largestDifference, makeSpace } from "./sample.ts";

// 1 and 193: a partly filled block; 5000: several; 40 × 51 transposed: sums do not care.
const space = makeSpace([{ shape: [1] }, { shape: [193] }, { shape: [5000] }, { shape: [0] }, { shape: [40, 51], transposed: true }]);

test.each(["f32", "f16"] as const)("the Gram matrix agrees with its CPU twin and repeats, %s", async (precision) => {
  const models = family(space, 2);
  const specs = directions(2, precision, { rescaling: "l1" });
  const basis = await filled(space, specs, models, await theGpu());
  const [got, twin] = [await basis.gram(), await (await filled(space, specs, models, null)).gram()];
  // The same tree of additions; products may be fused. Each entry is at most √(gᵢᵢ·gⱼⱼ) and rounded 12 times in f32.
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 5; j++) {
      const size = Math.sqrt(twin[i * 6]! * twin[j * 6]!);
      expect(Math.abs(got[i * 5 + j]! - twin[i * 5 + j]!)).toBeLessThanOrEqual(12 * 2 ** -24 * size);
    }
  }
  expect(await basis.gram()).toEqual(got);
  basis.destroy();
});

test("sums do not depend on how tensors are cut", async () => {
  const models = family(space, 2);
  const small = await gpuWith({ limits: { maxStorageBufferBindingSize: 1 << 13 } });
  const [cut, whole] = [await filled(space, directions(2), models, small), await filled(space, directions(2), models, await theGpu())];
  expect(largestDifference(await cut.gram(), await whole.gram())).toBe(0);
  whole.destroy();
  small.destroy();
});

test("a base alone, or without masks, has a Gram matrix too", async () => {
  const models = family(space, 1);
  for (const specs of [directions(1).slice(0, 1), directions(1).slice(0, 2)]) {
    const basis = await filled(space, specs, models.slice(0, specs.length), await theGpu());
    expect((await basis.gram())[0]).toBeCloseTo(models[0]!.reduce((sum, w) => sum + w.reduce((s, v) => s + v * v, 0), 0), 1);
    basis.destroy();
  }
});
