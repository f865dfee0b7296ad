/** Sums of pairs of columns, a tensor at a time: partials by the kernel, added in f64 in the order of blocks. */
import type { Gpu } from "../../gpu/device.ts";
import { bind, dispatchFolded } from "../../gpu/dispatch.ts";
import { readWhole } from "../../gpu/readback.ts";
import lowRank from "../lowrank/lowrank.wgsl?raw";
import type { Columns } from "../columns.ts";
import type { Layout, Slab } from "../layout.ts";
import type { SlabBuffers } from "../slabs.ts";
import type { Reduction } from "./reduce.cpu.ts";
import code from "./reduce.wgsl?raw";

export interface PairOfColumns {
  readonly kind: Reduction;
  readonly a: number;
  readonly b: number;
}

/** As the kernel numbers them. */
const KINDS: readonly Reduction[] = ["dot", "l1", "zeros"];

/** Partials that may be on the GPU at once. */
const BATCH_BYTES = 4 * 2 ** 20;

/** `[pairs × segments]`, of the numbers as stored: factors are the caller's. */
export async function reduceColumns(
  gpu: Gpu, layout: Layout, slabs: readonly SlabBuffers[], columns: Columns, segments: number, pairs: readonly PairOfColumns[],
): Promise<Float64Array> {
  const sums = new Float64Array(pairs.length * segments);
  for (const [s, slab] of layout.slabs.entries()) {
    const batch = Math.max(1, Math.floor(BATCH_BYTES / (4 * slab.tiles)));
    for (let first = 0; first < pairs.length; first += batch) {
      const some = pairs.slice(first, first + batch);
      const partials = await partialSums(gpu, slab, slabs[s] as SlabBuffers, columns, segments, some);
      some.forEach((_, p) => {
        for (const piece of slab.pieces) {
          // Pieces of one tensor follow one another in order of their blocks, across slabs too.
          const from = p * slab.tiles + piece.firstTile;
          const at = (first + p) * segments + piece.segment;
          for (const partial of partials.subarray(from, from + piece.tiles)) sums[at] = (sums[at] as number) + partial;
        }
      });
    }
  }
  return sums;
}

async function partialSums(
  gpu: Gpu, slab: Slab, buffers: SlabBuffers, columns: Columns, segments: number, pairs: readonly PairOfColumns[],
): Promise<Float32Array> {
  const step = Math.max(48, gpu.limits.minUniformBufferOffsetAlignment);
  const uniforms = gpu.buffer("pairs", step * pairs.length, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const partials = gpu.buffer("partial sums", 4 * slab.tiles * pairs.length, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  try {
    const words = new Uint32Array((step / 4) * pairs.length);
    pairs.forEach(({ kind, a, b }, p) => {
      words.set([slab.tiles, slab.elements / 4, p * slab.tiles, KINDS.indexOf(kind), ...place(columns, a), ...place(columns, b), columns.dense.length, segments], (p * step) / 4);
    });
    gpu.device.queue.writeBuffer(uniforms, 0, words);
    const half = columns.precision === "f16";
    const pipeline = gpu.pipeline("reduce", variant(half, buffers));
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pairs.forEach((_, p) => {
      const uniform = { buffer: uniforms, offset: p * step, size: 48 };
      pass.setBindGroup(0, bind(gpu.device, pipeline, [uniform, buffers.base, buffers.deltas, buffers.masks, buffers.tiles, partials, buffers.low?.factors ?? null, buffers.low?.table ?? null]));
      dispatchFolded(pass, slab.tiles);
    });
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    return new Float32Array(await readWhole(gpu, partials));
  } finally {
    gpu.free(uniforms);
    gpu.free(partials);
  }
}

/** A basis without task vectors, without masks or without factors has no such buffers: their reads go too. */
function variant(half: boolean, { deltas, masks, low }: SlabBuffers): string {
  let text = code.replace("array<DELTA>", half ? "array<vec2<u32>>" : "array<vec4<f32>>").replace("LOAD(", half ? "unpack(" : "(");
  if (!masks) text = text.replace(/let bits = [^;]*;/, "let bits = 15u;");
  if (!deltas) text = text.replace(/d = [^;]*deltas[^;]*;/, "d = vec4<f32>();");
  if (!low) return text.replace(/@group\(0\) @binding\([67]\)[^\n]*\n/g, "").replace("// LOWRANK\n", "").replace("LOW;", "vec4<f32>();");
  return text.replace("// LOWRANK\n", lowRank).replace("LOW;", "lowRank(places[(which.x - 1u - pair.dense) * pair.segments + tile.z], tile.w + 4u * (i - tile.x));");
}

function place(columns: Columns, column: number): [number, number] {
  const masked = columns.masked.find((m) => m.column === column);
  if (masked) return [place(columns, masked.of)[0], masked.plane + 1];
  const low = columns.low.find((l) => l.column === column);
  if (low) return [1 + columns.dense.length + low.low, 0];
  const dense = columns.dense.find((d) => d.column === column);
  return dense ? [dense.dense + 1, 0] : [0, 0];
}
