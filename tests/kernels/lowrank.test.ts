/** Directions of low rank, kept as factors: alone and beside dense and masked ones. */
import { describe, expect, test } from "vitest";
import { addLowRank, type LowRank } from "../../src/checkpoint/lora/factors.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { bytesNeeded, openBasis } from "../../src/space/basis.ts";
import { matrixOf } from "../../src/space/lowrank/lowrank.ts";
import type { Basis, DirectionSpec, MaskRule, Slot, Space } from "../../src/space/types.ts";
import { gpuWith, theGpu } from "./gpu.ts";
import { family, gaussian, largestDifference, makeSpace, rule } from "./sample.ts";

// 0: nothing; 1 and 193: columns of one element; 63 × 65: rows that end within a vec4; 32 × 64: rows of whole ones; a
// convolution's kernel; 5 × 1000: a tile within a row; 1 × 6: one row that ends within a vec4.
const space = makeSpace([{ shape: [0] }, { shape: [1] }, { shape: [193] }, { shape: [63, 65], transposed: true }, { shape: [32, 64] }, { shape: [8, 3, 5, 7] }, { shape: [5, 1000] }, { shape: [1, 6] }]);
// 1, and 4 and 5: full and overfull groups of four; 0: the adapter leaves the tensor alone.
const ranks = [[0, 1, 4, 5, 4, 3, 8, 2], [0, 0, 1, 4, 9, 0, 1, 1]];
const lows: DirectionSpec[] = ranks.map((ranks, i) => ({ kind: "lowrank", id: `adapter${i}`, ranks }));
const thin = (of: string, more: Partial<MaskRule> = {}): DirectionSpec => ({ kind: "masked", id: `${of} thin ${JSON.stringify(more)}`, of, rule: rule(of, more) });
const dense = (precision: "f32" | "f16"): DirectionSpec => ({ kind: "dense", id: "expert0", precision });

const factorsOf = (within: Space, segment: number, adapter: number, rank: number): LowRank => {
  const { rows, columns } = matrixOf(within.segments[segment]!);
  const seed = 100 * adapter + segment;
  return { rows, columns, rank, scale: 0.5 + adapter, left: gaussian(rows * rank, seed, 0.1), right: gaussian(rank * columns, seed + 50, 0.1) };
};

async function filled(specs: readonly DirectionSpec[], gpu: Gpu | null, within = space): Promise<Basis> {
  const basis = openBasis(within, specs, { device: gpu });
  const models = family(within, specs.filter(({ kind }) => kind === "dense").length);
  for (const { index } of within.segments) {
    basis.put(index, models[0]![index]!, models.slice(1).map((model) => model[index]!));
    specs.filter((spec) => spec.kind === "lowrank").forEach((spec, adapter) => {
      if (spec.ranks[index]) basis.putFactors(index, spec.id, factorsOf(within, index, adapter, spec.ranks[index]));
    });
  }
  await basis.seal();
  return basis;
}

const kinds: Record<string, DirectionSpec[]> = {
  "alone": [{ kind: "base", id: "base" }, ...lows],
  "beside f32 and a mask": [{ kind: "base", id: "base" }, lows[0]!, dense("f32"), lows[1]!, thin("expert0"), thin("adapter1")],
  "beside f16 and a mask": [{ kind: "base", id: "base" }, dense("f16"), lows[0]!, thin("expert0"), lows[1]!],
  "under masks of their own": [{ kind: "base", id: "base" }, ...lows, thin("adapter0"), thin("adapter0", { density: 0.6, rescaling: "l1" }), thin("adapter1", { rescaling: "none" })],
};
// Five terms of at most ~5, each rounded twice, and sums of at most nine products below 1 rounded at every step.
const tolerance = 2 * 5 * 5 * 2 ** -24 + 2 * 9 * 2 ** -24;

describe.each(Object.entries(kinds))("low rank %s", (_, specs) => {
  test.each(["gpu", "cpu"] as const)("agrees with its CPU twin, slot bound to the %s", async (bind) => {
    // Each way to leave directions out is a kernel of its own; with few vec4 a thread they are compiled in a fifth of the time.
    const gpu = await gpuWith({ grain: 2 });
    const [basis, inMemory] = [await filled(specs, gpu), await filled(specs, null)];
    const [slot, twin] = [basis.openSlot(bind), inMemory.openSlot("cpu")];
    const n = specs.length;
    const some = Float64Array.from({ length: n }, (_, i) => (i === 0 ? 1 : Math.cos(i)));
    const only = Float64Array.from({ length: n }, (_, i) => Number(specs[i]!.id === "adapter1"));
    const rows = Float64Array.from({ length: space.segments.length * n }, (_, i) => (i % 5 === 3 ? 0 : Math.sin(i)));
    for (const c of [some, only, rows, Float64Array.from({ length: n }, (_, i) => Number(i === 0))]) {
      expect(await slot.materialise(c)).toEqual({ nonFinite: false });
      await twin.materialise(c);
      const got = await slot.read();
      got.forEach((weights, s) => expect(largestDifference(weights, twin.arrays[s]!), `segment ${s}`).toBeLessThanOrEqual(tolerance));
    }
    slot.destroy();
    basis.destroy();
    gpu.destroy();
  });

  test.each([1, 2, 8] as const)("%i vec4 a thread give the twin's weights too", async (grain) => {
    const gpu = await gpuWith({ grain });
    const [slot, twin] = [(await filled(specs, gpu)).openSlot("cpu"), (await filled(specs, null)).openSlot("cpu")];
    const c = Float64Array.from({ length: specs.length }, (_, i) => 1 - 0.3 * i);
    await slot.materialise(c);
    await twin.materialise(c);
    slot.arrays.forEach((weights, s) => expect(largestDifference(weights, twin.arrays[s]!)).toBeLessThanOrEqual(tolerance));
    gpu.destroy();
  });

  test("inner products and sign conflicts agree with the twin", async () => {
    const [basis, twin] = [await filled(specs, await theGpu()), await filled(specs, null)];
    const [got, wanted] = [await basis.gram(), await twin.gram()];
    const n = specs.length;
    got.forEach((value, i) => {
      const size = Math.sqrt(wanted[Math.floor(i / n) * (n + 1)]! * wanted[(i % n) * (n + 1)]!);
      expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(30 * 2 ** -24 * size); // sums of products of sums
    });
    const vectors = specs.filter(({ kind }) => kind === "dense" || kind === "lowrank").length;
    const [seen, told] = [await basis.statistics(vectors), await twin.statistics(vectors)];
    expect(seen.zeros).toEqual(told.zeros);
    // A product so near zero that its sign is rounding's may fall either way.
    seen.conflicts.forEach((count, s) => expect(Math.abs(count - told.conflicts[s]!)).toBeLessThanOrEqual(1));
    expect(told.conflicts.reduce((a, b) => a + b)).toBeGreaterThan(100);
    basis.destroy();
  });
});

test("the sum is base + Σ c·s·L·R, element by element in f64", async () => {
  const basis = await filled(kinds.alone!, null);
  const slot = basis.openSlot("cpu");
  await slot.materialise(Float64Array.of(1, 0.7, -0.4));
  const base = family(space, 0)[0]!;
  slot.arrays.forEach((weights, s) => {
    const book = Float64Array.from(base[s]!);
    for (const [adapter, c] of [0.7, -0.4].entries()) {
      const { columns, rank, left, right, scale } = factorsOf(space, s, adapter, ranks[adapter]![s]!);
      for (let e = 0; e < book.length; e++) {
        for (let k = 0; k < rank; k++) book[e]! += c * scale * left[Math.floor(e / columns) * rank + k]! * right[k * columns + (e % columns)]!;
      }
    }
    expect(largestDifference(weights, book)).toBeLessThanOrEqual(tolerance);
  });
});

// 16 kB a binding: tensors are cut within rows, and small ones part where their factors fill a buffer.
test.each(["gpu", "cpu"] as const)("tensors that are cut give the very same weights, slot bound to the %s", async (bind) => {
  const cut = makeSpace([{ shape: [70, 130] }, { shape: [9, 300] }, { shape: [5] }, { shape: [33, 65] }]);
  const specs: DirectionSpec[] = [{ kind: "base", id: "base" }, { kind: "lowrank", id: "a", ranks: [2, 1, 0, 4] }, { kind: "lowrank", id: "b", ranks: [0, 3, 1, 0] }];
  const weights = [];
  for (const gpu of [await gpuWith({ limits: { maxStorageBufferBindingSize: 1 << 14 } }), await theGpu()]) {
    const basis = await filled(specs, gpu, cut);
    const slot = basis.openSlot(bind);
    await slot.materialise(Float64Array.of(1, 0.5, -0.25));
    weights.push(await slot.read(), Array.from(await basis.gram()));
    basis.destroy();
    slot.destroy();
  }
  expect(weights[0]).toEqual(weights[2]);
  expect(weights[1]).toEqual(weights[3]);
});

// A mask is the published rule's whatever it thins: the same element kept or dropped as of the adapter multiplied out.
test("a mask over factors keeps what it keeps over the same direction dense", async () => {
  const small = makeSpace([{ shape: [20, 33], transposed: true }, { shape: [40] }]);
  const low: DirectionSpec = { kind: "lowrank", id: "x", ranks: [3, 1] };
  const rows = Float64Array.of(0, 0, 1);
  const slots: Slot[] = [];
  for (const spec of [low, { kind: "dense", id: "x", precision: "f32" } as const]) {
    const basis = openBasis(small, [{ kind: "base", id: "base" }, spec, thin("x", { density: 0.5, rescaling: "l1" })]);
    for (const { index, length } of small.segments) {
      const factors = factorsOf(small, index, 0, low.kind === "lowrank" ? low.ranks[index]! : 0);
      const values = new Float32Array(length);
      addLowRank(values, factors, 0);
      basis.put(index, new Float32Array(length), spec.kind === "dense" ? [values] : []);
      if (spec.kind === "lowrank") basis.putFactors(index, "x", factors);
    }
    await basis.seal();
    const slot = basis.openSlot("cpu");
    await slot.materialise(rows);
    slots.push(slot);
  }
  slots[0]!.arrays.forEach((weights, s) => {
    expect(largestDifference(weights, slots[1]!.arrays[s]!)).toBeLessThanOrEqual(tolerance);
    expect(weights.filter((w) => w === 0).length).toBeGreaterThan(weights.length / 4);
    expect(weights.findIndex((w) => w === 0)).toBe(slots[1]!.arrays[s]!.findIndex((w) => w === 0));
  });
});

test("an adapter costs its factors, not a model; what is promised is what is taken", async () => {
  const large = makeSpace(Array.from({ length: 4 }, () => ({ shape: [512, 768] })));
  const specs: DirectionSpec[] = [{ kind: "base", id: "base" }, ...Array.from({ length: 8 }, (_, i): DirectionSpec => ({ kind: "lowrank", id: `a${i}`, ranks: [8, 8, 8, 8] }))];
  const gpu = await gpuWith();
  const before = gpu.ledger.bytes;
  const basis = openBasis(large, specs, { device: gpu });
  const slot = basis.openSlot("gpu");
  const model = 4 * large.length;
  expect(basis.gpuBytes).toBeGreaterThan(model);
  expect(basis.gpuBytes).toBeLessThan(1.3 * model); // eight adapters of 8·(512 + 768) numbers a tensor: 0.21 of the model
  expect(gpu.ledger.bytes - before).toBeLessThanOrEqual(bytesNeeded(large, specs, "gpu", gpu.limits));
  slot.destroy();
  basis.destroy();
  expect(gpu.ledger.bytes).toBe(before);
  gpu.destroy();
});

test("a mask of the largest, other factors than promised, and forgotten ones are refused", async () => {
  expect(() => openBasis(space, [...kinds.alone!, thin("adapter0", { method: "magnitude" })])).toThrow(/keeps the largest elements of adapter0, which is kept as factors/);
  const basis = openBasis(space, kinds.alone!);
  expect(() => basis.putFactors(4, "adapter0", factorsOf(space, 4, 0, 3))).toThrow(/rank 4 was promised/);
  expect(() => basis.putFactors(4, "nobody", factorsOf(space, 4, 0, 4))).toThrow(/promised/);
  for (const { index, length } of space.segments) basis.put(index, new Float32Array(length), []);
  await expect(basis.seal()).rejects.toThrow(/never put into the basis with all its factors/);
});

test("factors that are not finite are counted and told, and do no harm with coefficient 0", async () => {
  for (const gpu of [await theGpu(), null]) {
    const basis = openBasis(space, kinds.alone!, { device: gpu });
    for (const { index, length } of space.segments) basis.put(index, new Float32Array(length), []);
    ranks.forEach((of, adapter) => of.forEach((rank, s) => {
      if (!rank) return;
      const factors = factorsOf(space, s, adapter, rank);
      if (adapter === 0 && s === 4) factors.left[7] = NaN;
      basis.putFactors(s, `adapter${adapter}`, factors);
    }));
    expect(await basis.seal()).toEqual({ nonFinite: [0, 1, 0] });
    const slot = basis.openSlot("cpu");
    expect(await slot.materialise(Float64Array.of(1, 0, 1))).toEqual({ nonFinite: false });
    expect(await slot.materialise(Float64Array.of(1, 1, 0))).toEqual({ nonFinite: true });
    slot.destroy();
    basis.destroy();
  }
});
