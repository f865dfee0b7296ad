import { describe, expect, test } from "vitest";
import { LabError } from "../../src/lib/error.ts";
import { maskUniform } from "../../src/lib/rules.ts";
import { openBasis } from "../../src/space/basis.ts";
import { bernoulli } from "../../src/space/sparsify/bernoulli/bernoulli.cpu.ts";
import { keptCount, magnitude } from "../../src/space/sparsify/magnitude/magnitude.cpu.ts";
import { checkpointIndex, type DirectionSpec } from "../../src/space/types.ts";
import replay from "../fixtures/philox.json";
import { directions, family, gaussian, largestDifference, makeSpace, rule } from "../kernels/sample.ts";

const space = makeSpace([{ shape: [7, 9], transposed: true }, { shape: [0] }, { shape: [193] }, { shape: [1] }]);
const bit = (mask: Uint32Array, i: number) => ((mask[i >>> 5] as number) >>> (i & 31)) & 1;

/** What types.ts says, in f64, one element at a time. */
function byTheBook(models: Float32Array[][], specs: DirectionSpec[], c: (segment: number, column: number) => number) {
  return space.segments.map((segment, s) => {
    const deltas = models.slice(1).map((model) => model[s]!.map((w, i) => w - models[0]![s]![i]!));
    return Float64Array.from({ length: segment.length }, (_, e) => {
      let w = c(s, 0) * models[0]![s]![e]!;
      specs.forEach((spec, column) => {
        if (spec.kind === "dense") w += c(s, column) * deltas[column - 1]![e]!;
        if (spec.kind === "masked") {
          const d = deltas[specs.findIndex((other) => other.id === spec.of) - 1]![e]!;
          const keep = maskUniform(spec.rule.seed, spec.rule.expert, segment.name, checkpointIndex(segment, e)) < spec.rule.density;
          if (keep) w += (c(s, column) * d) / spec.rule.density;
        }
      });
      return w;
    });
  });
}

async function filled(specs: DirectionSpec[], models = family(space, 2)) {
  const basis = openBasis(space, specs);
  space.segments.forEach((_, s) => basis.put(s, models[0]![s]!, models.slice(1).map((m) => m[s]!)));
  const sealed = await basis.seal();
  return { basis, models, sealed, slot: basis.openSlot("cpu") };
}

describe("a candidate in memory", () => {
  test("is the sum of coefficients times directions, masks by the published rule", async () => {
    const specs = directions(2);
    const { models, slot } = await filled(specs);
    const row = Float64Array.of(1, 0.4, -0.7, 1, 0.3);
    expect(await slot.materialise(row)).toEqual({ nonFinite: false });
    const book = byTheBook(models, specs, (_, column) => row[column]!);
    // Five terms of at most ~5, each rounded to f32 once.
    book.forEach((weights, s) => expect(largestDifference(slot.arrays[s]!, weights)).toBeLessThan(5 * 5 * 2 ** -24));
  });

  test("takes one row a segment", async () => {
    const specs = directions(2);
    const { models, slot } = await filled(specs);
    const rows = Float64Array.from({ length: 4 * 5 }, (_, i) => Math.sin(i));
    await slot.materialise(rows);
    byTheBook(models, specs, (s, column) => rows[5 * s + column]!).forEach((weights, s) =>
      expect(largestDifference(slot.arrays[s]!, weights)).toBeLessThan(5 * 5 * 2 ** -24),
    );
    await expect(slot.materialise(new Float64Array(7))).rejects.toThrow(LabError);
  });

  test("is the expert again with coefficient 1, and the base alone with none", async () => {
    const { models, slot } = await filled(directions(2));
    await slot.materialise(Float64Array.of(1, 0, 1, 0, 0));
    models[2]!.forEach((weights, s) => expect(largestDifference(slot.arrays[s]!, weights)).toBeLessThan(2 ** -20)); // (e − b) + b
    await slot.materialise(Float64Array.of(1, 0, 0, 0, 0));
    expect(slot.arrays).toEqual(models[0]);
  });

  test("packed directions lose at most half a step of eleven bits, small ones included", async () => {
    const models = family(space, 2).map((model) => model.map((weights) => weights.map((w) => w * 1e-4))); // δ ~ 1e-6
    const { slot } = await filled(directions(2, "f16"), models);
    await slot.materialise(Float64Array.of(0, 1, 0, 0, 0));
    const delta = models[1]![2]!.map((w, i) => w - models[0]![2]![i]!);
    slot.arrays[2]!.forEach((w, i) => expect(Math.abs(w - delta[i]!)).toBeLessThanOrEqual(Math.abs(delta[i]!) * 2 ** -11 + 1e-12));
  });

  test("a NaN is counted, told, and does no harm with coefficient 0", async () => {
    const models = family(space, 2);
    models[1]![0]![5] = NaN;
    const { slot, sealed } = await filled(directions(2), models);
    expect(sealed.nonFinite).toEqual([0, 1, 0]);
    expect(await slot.materialise(Float64Array.of(1, 1, 0, 0, 0))).toEqual({ nonFinite: true });
    expect(await slot.materialise(Float64Array.of(1, 0, 1, 0, 1))).toEqual({ nonFinite: false });
    expect(await slot.materialise(Float64Array.of(1e38, 0, 0, 0, 0).map((c) => c * 10))).toEqual({ nonFinite: true });
  });

  test("a segment that was never put is named", async () => {
    const basis = openBasis(space, directions(1));
    await expect(basis.seal()).rejects.toThrow(/layer\.0\.weight was never put/);
    expect(() => basis.put(0, new Float64Array(3) as unknown as Float32Array, [])).toThrow(/63 elements/);
  });
});

describe("masks", () => {
  test.each(replay.masks)("agree with NumPy for $name, transposed $transposed", (one) => {
    const segment = { name: one.name, shape: one.shape, transposed: one.transposed, length: 64 };
    const mask = bernoulli(segment, rule(one.expert, { seed: one.seed, density: one.density }));
    expect(one.graph.map((_, e) => bit(mask, e))).toEqual(one.graph);
  });

  test("magnitude keeps exactly the count, the largest, and of equals the first in the checkpoint", () => {
    for (const n of [1, 2, 31, 193, 5000]) {
      const delta = gaussian(n, n).map((d) => Math.round(d * 4) / 4); // many ties
      for (const density of [1e-6, 0.2, 0.999, 1]) {
        const mask = magnitude(delta, { shape: [n], transposed: false }, density);
        const kept = [...delta.keys()].filter((i) => bit(mask, i));
        const sorted = [...delta.keys()].sort((a, b) => Math.abs(delta[b]!) - Math.abs(delta[a]!) || a - b);
        expect(kept).toEqual(sorted.slice(0, keptCount(n, density)).sort((a, b) => a - b));
      }
    }
  });

  test("equal magnitudes of a transposed matrix follow the checkpoint's order", () => {
    // Graph layout 2 × 3, all equal: the checkpoint (3 × 2) lists 0, 3, 1, 4, 2, 5.
    const mask = magnitude(new Float32Array(6).fill(-1), { shape: [2, 3], transposed: true }, 0.5);
    expect([...mask]).toEqual([0b001011]);
  });

  test("l1 rescaling gives each tensor its norm back", async () => {
    const { slot } = await filled(directions(2, "f32", { rescaling: "l1", density: 0.5 }));
    const norm = (values: Float32Array) => values.reduce((sum, v) => sum + Math.abs(v), 0);
    await slot.materialise(Float64Array.of(0, 1, 0, 0, 0));
    const dense = norm(slot.arrays[2]!);
    await slot.materialise(Float64Array.of(0, 0, 0, 1, 0));
    expect(norm(slot.arrays[2]!) / dense).toBeCloseTo(1, 5);
  });
});

test("the Gram matrix is the directions' inner products, and repeats", async () => {
  const { basis, slot } = await filled(directions(2, "f16"));
  const n = 5;
  const columns: number[][] = [];
  for (let d = 0; d < n; d++) {
    await slot.materialise(Float64Array.from({ length: n }, (_, i) => Number(i === d)));
    columns.push(slot.arrays.flatMap((array) => [...array]));
  }
  const gram = await basis.gram();
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const exact = columns[i]!.reduce((sum, v, e) => sum + v * columns[j]![e]!, 0);
      const size = columns[i]!.reduce((sum, v, e) => sum + Math.abs(v * columns[j]![e]!), 0);
      expect(Math.abs(gram[i * n + j]! - exact)).toBeLessThanOrEqual(size * 12 * 2 ** -24 + 1e-12); // ≤ 12 f32 additions deep
    }
  }
  expect(await basis.gram()).toEqual(gram);
});
