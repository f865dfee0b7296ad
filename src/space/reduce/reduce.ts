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

/** Inner products that go through the columns together: their sums stay in registers, 256 bytes of a workgroup's memory each. */
const TOGETHER = 28;

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
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const { first, count } of runsOf(pairs)) {
      const text = pairs[first]?.kind === "dot" ? togetherCode(pairs.slice(first, first + count), columns) : code;
      const pipeline = gpu.pipeline("reduce", variant(text, half, buffers));
      pass.setPipeline(pipeline);
      const uniform = { buffer: uniforms, offset: first * step, size: 48 };
      pass.setBindGroup(0, bind(gpu.device, pipeline, [uniform, buffers.base, buffers.deltas, buffers.masks, buffers.tiles, partials, buffers.low?.factors ?? null, buffers.low?.table ?? null]));
      dispatchFolded(pass, slab.tiles);
    }
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    return new Float32Array(await readWhole(gpu, partials));
  } finally {
    gpu.free(uniforms);
    gpu.free(partials);
  }
}

/** Neighbouring inner products in one dispatch, everything else alone. */
function* runsOf(pairs: readonly PairOfColumns[]): Generator<{ first: number; count: number }> {
  for (let first = 0; first < pairs.length; ) {
    let count = 1;
    if (pairs[first]?.kind === "dot") while (count < TOGETHER && pairs[first + count]?.kind === "dot") count++;
    yield { first, count };
    first += count;
  }
}

/** The kernel for several inner products at once: each column is read once, each product summed in the same order as alone. */
function togetherCode(pairs: readonly PairOfColumns[], columns: Columns): string {
  const used = [...new Set(pairs.flatMap(({ a, b }) => [a, b]))];
  const named = (column: number) => `c${used.indexOf(column)}`;
  const lines = (line: (p: number, pair: PairOfColumns) => string) => pairs.map((pair, p) => line(p, pair)).join("\n");
  const loads = used.map((column) => `let ${named(column)} = column(vec2<u32>(${place(columns, column).map((at) => `${at}u`).join(", ")}), tile.x + i, tile);`).join("\n");
  const [head = ""] = code.split("var<workgroup>");
  return `${head}
var<workgroup> lanes: array<f32, ${64 * pairs.length}>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = wid.x + wid.y * 65535u;
  ${lines((p) => `var s${p} = vec4<f32>();`)}
  if (group < pair.tiles) {
    let tile = tiles[group];
    for (var i = lane; 4u * i < tile.y; i += 64u) {
      ${loads}
      ${lines((p, { a, b }) => `s${p} += ${named(a)} * ${named(b)};`)}
    }
  }
  ${lines((p) => `lanes[${64 * p}u + lane] = (s${p}.x + s${p}.y) + (s${p}.z + s${p}.w);`)}
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    workgroupBarrier();
    if (lane < stride) { for (var p = 0u; p < ${pairs.length}u; p++) { lanes[64u * p + lane] += lanes[64u * p + lane + stride]; } }
  }
  if (lane == 0u && group < pair.tiles) { for (var p = 0u; p < ${pairs.length}u; p++) { partials[pair.out + p * pair.tiles + group] = lanes[64u * p]; } }
}
`;
}

/** A basis without task vectors, without masks or without factors has no such buffers: their reads go too. */
function variant(of: string, half: boolean, { deltas, masks, low }: SlabBuffers): string {
  let text = of.replace("array<DELTA>", half ? "array<vec2<u32>>" : "array<vec4<f32>>").replace("LOAD(", half ? "unpack(" : "(");
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
