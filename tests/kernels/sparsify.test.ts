import { describe, expect, test } from "vitest";
import { readWhole } from "../../src/gpu/readback.ts";
import type { CpuBasis } from "../../src/space/basis.cpu.ts";
import type { GpuBasis } from "../../src/space/basis.gpu.ts";
import type { MaskRule, Space } from "../../src/space/types.ts";
import replay from "../fixtures/philox.json";
import { filled, gpuWith, theGpu } from "./gpu.ts";
import { directions, family, makeSpace } from "./sample.ts";

// 1: one bit; 193: a part of a word; 2085: past a tile, not whole vec4; transposed: both ways round, odd sides; 0: nothing.
const space = makeSpace([{ shape: [1] }, { shape: [193] }, { shape: [0] }, { shape: [2085] }, { shape: [37, 59], transposed: true }, { shape: [64, 32], transposed: true }]);

/** Mask words of a plane for one segment, put together from its pieces. */
async function wordsOf(basis: GpuBasis, plane: number, segment: number): Promise<Uint32Array> {
  const length = basis.space.segments[segment]!.length;
  const out = new Uint32Array(Math.ceil(length / 32));
  for (const piece of basis.pieces(segment)) {
    const all = new Uint32Array(await readWhole(basis.gpu, basis.buffers(piece).masks!));
    const first = (plane * basis.layout.slabs[piece.slab]!.elements + piece.at) / 32;
    out.set(all.subarray(first, first + Math.ceil(piece.length / 32)), piece.offset / 32);
  }
  return out;
}

async function bothAgree(of: Space, mask: Partial<MaskRule>, models: Float32Array[][], precision: "f32" | "f16" = "f32", limit?: number) {
  const gpu = limit ? await gpuWith({ limits: { maxStorageBufferBindingSize: limit } }) : await theGpu();
  const specs = directions(models.length - 1, precision, mask);
  const onGpu = (await filled(of, specs, models, gpu)) as GpuBasis;
  const inMemory = (await filled(of, specs, models, null)) as CpuBasis;
  for (const { index } of of.segments) {
    for (const { plane } of inMemory.columns.masked) {
      expect(await wordsOf(onGpu, plane, index), `segment ${index}, plane ${plane}`).toEqual(inMemory.at(index).masks[plane]);
    }
  }
  onGpu.destroy();
  if (limit) gpu.destroy();
}

describe("DARE masks are the same bits", () => {
  test("as the CPU twin's", () => bothAgree(space, { seed: 2 ** 53 - 1, density: 0.2 }, family(space, 2)));
  test("however a tensor is cut", () => bothAgree(space, { density: 0.5 }, family(space, 2), "f32", 1 << 13));
  test("all kept with density 1", () => bothAgree(space, { density: 1 }, family(space, 1)));

  test.each(replay.masks)("as NumPy's for $name, transposed $transposed", async (one) => {
    const of = makeSpace([{ name: one.name, shape: one.shape, transposed: one.transposed }]);
    const specs = directions(1, "f32", { seed: one.seed, expert: one.expert, density: one.density });
    const basis = (await filled(of, specs, family(of, 1), await theGpu())) as GpuBasis;
    const mask = await wordsOf(basis, 0, 0);
    expect(one.graph.map((_, e) => (mask[e >>> 5]! >>> (e & 31)) & 1)).toEqual(one.graph);
    basis.destroy();
  });
});

describe("magnitude masks are the same bits", () => {
  test.each(["f32", "f16"] as const)("%s, distinct magnitudes", (precision) => bothAgree(space, { method: "magnitude" }, family(space, 2), precision));

  test("many equal magnitudes: the checkpoint's first, transposed or not", () => {
    const models = family(space, 2).map((model, m) => model.map((weights) => weights.map((w) => (m === 0 ? 0 : Math.round(300 * (w % 0.01)) / 4))));
    return bothAgree(space, { method: "magnitude", density: 0.37 }, models);
  });

  test("a tensor in many pieces, some of it NaN", () => {
    const models = family(space, 2);
    models[1]![3]![7] = NaN;
    return bothAgree(space, { method: "magnitude", density: 0.9 }, models, "f32", 1 << 13);
  });
});
