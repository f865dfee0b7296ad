/** Sums of pairs of columns, a tensor at a time: partials by kernels, added in f64 in the order of blocks. */
import type { Gpu } from "../../gpu/device.ts";
import { bind, dispatchFolded } from "../../gpu/dispatch.ts";
import { readWhole } from "../../gpu/readback.ts";
import lowRank from "../lowrank/lowrank.wgsl?raw";
import type { Columns } from "../columns.ts";
import type { Layout, Slab } from "../layout.ts";
import type { SlabBuffers } from "../slabs.ts";
import type { Reduction } from "./reduce.cpu.ts";
import code from "./reduce.wgsl?raw";
import treeCode from "./tree.wgsl?raw";

export interface PairOfColumns {
  readonly kind: Reduction;
  readonly a: number;
  readonly b: number;
}

/** As the kernel numbers them. */
const KINDS: readonly Reduction[] = ["dot", "l1", "zeros"];

/** Partials that may be on the GPU at once. */
const BATCH_BYTES = 4 * 2 ** 20;

/** Inner products that go through the columns together: their sums stay in registers. */
const TOGETHER = 28;

/** Lanes that may be on the GPU at once, 256 bytes a sum of a tile. */
const LANES_BYTES = 32 * 2 ** 20;

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
  const works = [...runsOf(pairs)].flatMap(({ first: pair, count }) => {
    const most = Math.max(1, Math.floor(LANES_BYTES / 256 / count));
    return Array.from({ length: Math.ceil(slab.tiles / most) }, (_, i) => ({ pair, count, first: i * most, some: Math.min(most, slab.tiles - i * most) }));
  });
  const step = Math.max(48, gpu.limits.minUniformBufferOffsetAlignment);
  const uniforms = gpu.buffer("pairs", 2 * step * works.length, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  const partials = gpu.buffer("partial sums", 4 * slab.tiles * pairs.length, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const lanes = gpu.buffer("lanes", 256 * Math.max(1, ...works.map(({ some, count }) => some * count)), GPUBufferUsage.STORAGE);
  try {
    const words = new Uint32Array((step / 2) * works.length);
    works.forEach(({ pair, count, first, some }, w) => {
      const { kind, a, b } = pairs[pair] as PairOfColumns;
      words.set([first, some, slab.elements / 4, KINDS.indexOf(kind), ...place(columns, a), ...place(columns, b), columns.dense.length, segments], (2 * w * step) / 4);
      words.set([first, some, slab.tiles, count, pair * slab.tiles], ((2 * w + 1) * step) / 4);
    });
    gpu.device.queue.writeBuffer(uniforms, 0, words);
    const half = columns.precision === "f16";
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const addUp = gpu.pipeline("tree", treeCode);
    works.forEach(({ pair, count, some }, w) => {
      const text = pairs[pair]?.kind === "dot" ? togetherCode(pairs.slice(pair, pair + count), columns) : code;
      const sum = gpu.pipeline("reduce", variant(text, half, buffers));
      pass.setPipeline(sum);
      const uniform = (which: number) => ({ buffer: uniforms, offset: (2 * w + which) * step, size: 48 });
      pass.setBindGroup(0, bind(gpu.device, sum, [uniform(0), buffers.base, buffers.deltas, buffers.masks, buffers.tiles, lanes, buffers.low?.factors ?? null, buffers.low?.table ?? null]));
      dispatchFolded(pass, some);
      pass.setPipeline(addUp);
      pass.setBindGroup(0, bind(gpu.device, addUp, [uniform(1), lanes, partials]));
      dispatchFolded(pass, Math.ceil((some * count) / 64));
    });
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    return new Float32Array(await readWhole(gpu, partials));
  } finally {
    for (const buffer of [uniforms, partials, lanes]) gpu.free(buffer);
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
  const [head = ""] = code.split("@compute");
  return `${head}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = wid.x + wid.y * 65535u;
  if (group >= pair.some) { return; }
  let tile = tiles[pair.first + group];
  ${lines((p) => `var s${p} = vec4<f32>();`)}
  for (var i = lane; 4u * i < tile.y; i += 64u) {
    ${loads}
    ${lines((p, { a, b }) => `s${p} += ${named(a)} * ${named(b)};`)}
  }
  ${lines((p) => `lanes[64u * (${p}u * pair.some + group) + lane] = (s${p}.x + s${p}.y) + (s${p}.z + s${p}.w);`)}
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
