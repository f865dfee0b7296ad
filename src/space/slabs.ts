/** The buffers of a basis on the GPU, one set a slab, and the writing of task vectors into them. */
import type { Gpu } from "../gpu/device.ts";
import { f16Array } from "../lib/f16.ts";
import type { LowRank } from "../checkpoint/lora/factors.ts";
import { LabError } from "../lib/error.ts";
import type { Columns } from "./columns.ts";
import { type Layout, type Piece, type Slab, tileWords } from "./layout.ts";
import { type FactorPlan, packFactors, placeFactors, placeTable } from "./lowrank/lowrank.ts";
import { taskVector } from "./task-vector.ts";
import type { Space } from "./types.ts";

export interface SlabBuffers {
  readonly base: GPUBuffer;
  /** `[dense][slab elements]`, f32 or f16 packed two to a word. Null without dense directions. */
  readonly deltas: GPUBuffer | null;
  /** `[masked][slab elements / 32]`: one bit an element, the graph's layout. Null without masked directions. */
  readonly masks: GPUBuffer | null;
  readonly tiles: GPUBuffer;
  /** Factors of low-rank directions, vec4 after vec4, and where they lie. Null where none touches the slab. */
  readonly low: { readonly factors: GPUBuffer; readonly table: GPUBuffer; readonly plan: FactorPlan } | null;
}

const deltaBytes = (columns: Columns) => (columns.precision === "f16" ? 2 : 4);

export function slabBytes(slab: Slab, columns: Columns, space: Space): number {
  const { vec4s } = placeFactors(slab, columns, space);
  const low = vec4s === 0 ? 0 : 16 * (vec4s + columns.low.length * space.segments.length);
  return slab.elements * (4 + columns.dense.length * deltaBytes(columns) + columns.masked.length / 8) + 16 * slab.tiles + low;
}

export function makeSlab(gpu: Gpu, slab: Slab, columns: Columns, space: Space): SlabBuffers {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
  const buffer = (label: string, bytes: number) => (bytes > 0 ? gpu.buffer(label, bytes, usage) : null);
  const tiles = gpu.buffer("tiles", 16 * slab.tiles, usage);
  gpu.device.queue.writeBuffer(tiles, 0, tileWords(slab));
  return {
    base: gpu.buffer("base", 4 * slab.elements, usage),
    deltas: buffer("task vectors", columns.dense.length * deltaBytes(columns) * slab.elements),
    masks: buffer("masks", (columns.masked.length * slab.elements) / 8),
    tiles,
    low: makeLow(gpu, placeFactors(slab, columns, space), columns, space.segments.length),
  };
}

function makeLow(gpu: Gpu, plan: FactorPlan, columns: Columns, segments: number): SlabBuffers["low"] {
  if (plan.vec4s === 0) return null;
  const bytes = 16 * plan.vec4s;
  const most = Math.min(gpu.limits.maxBufferSize, gpu.limits.maxStorageBufferBindingSize);
  if (bytes > most) {
    throw new LabError("out-of-memory", `The adapters' factors need ${(bytes / 2 ** 20).toFixed(0)} MiB in one piece, and this GPU gives ${(most / 2 ** 20).toFixed(0)} MiB. Take fewer adapters at once, or adapters of lower rank.`);
  }
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
  const words = placeTable(plan, columns, segments);
  const [factors, table] = [gpu.buffer("factors", bytes, usage), gpu.buffer("places of factors", words.byteLength, usage)];
  gpu.device.queue.writeBuffer(table, 0, words);
  return { factors, table, plan };
}

/** The factors of one direction for one segment, into every slab that holds a piece of it. */
export function putLowRank(gpu: Gpu, slabs: readonly SlabBuffers[], segment: number, column: number, factors: LowRank): void {
  for (const { low } of slabs) {
    if (!low) continue;
    for (const place of low.plan.places) {
      if (place.piece.segment === segment && place.low.column === column) gpu.device.queue.writeBuffer(low.factors, 16 * place.left, packFactors(place, factors));
    }
  }
}

export function freeSlab(gpu: Gpu, { base, deltas, masks, tiles, low }: SlabBuffers): void {
  for (const buffer of [base, deltas, masks, tiles, low?.factors, low?.table]) if (buffer) gpu.free(buffer);
}

/** Elements converted at a time, so that no whole tensor is held twice. Even: halves go in pairs. */
const CHUNK = 1 << 20;

/** θ₀ of one piece; `base` is the whole segment. */
export function putBase(gpu: Gpu, to: SlabBuffers, piece: Piece, base: Float32Array<ArrayBuffer>): void {
  gpu.device.queue.writeBuffer(to.base, 4 * piece.at, base, piece.offset, piece.length);
}

export function putVector(
  gpu: Gpu, to: SlabBuffers, layout: Layout, columns: Columns, piece: Piece, dense: number,
  expert: Float32Array, base: Float32Array, exponent: number,
): void {
  if (!to.deltas) return;
  const bytes = deltaBytes(columns);
  const start = dense * (layout.slabs[piece.slab] as Slab).elements + piece.at;
  for (let done = 0; done < piece.length; done += CHUNK) {
    const from = piece.offset + done;
    const delta = taskVector(expert, base, exponent, from, Math.min(from + CHUNK, piece.offset + piece.length));
    gpu.device.queue.writeBuffer(to.deltas, bytes * (start + done), columns.precision === "f16" ? packed(delta) : delta);
  }
}

/** An odd last element takes a whole word with it; the padding after every piece has room. */
function packed(delta: Float32Array<ArrayBuffer>): Uint16Array<ArrayBuffer> {
  const halves = f16Array(delta);
  if (halves.length % 2 === 0) return halves;
  const even = new Uint16Array(halves.length + 1);
  even.set(halves);
  return even;
}
