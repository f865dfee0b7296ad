/** Writes candidates: one dispatch a part (a run of tiles and where it goes); bind groups are made once. */
import type { Gpu } from "../../gpu/device.ts";
import { bind, dispatchFolded } from "../../gpu/dispatch.ts";
import type { Columns, DenseColumn } from "../columns.ts";
import type { Layout, Slab } from "../layout.ts";
import type { SlabBuffers } from "../slabs.ts";
import code from "./materialise.wgsl?raw";

export interface Part {
  readonly slab: number;
  readonly firstTile: number;
  readonly tiles: number;
  /** Element of the slab that lies at the start of `out`, a multiple of 4. */
  readonly shift: number;
  readonly out: GPUBufferBinding;
  /** Whether `out` may be written in whole vec4: its end is one too. */
  readonly wide: boolean;
}

export class Materialiser {
  readonly #gpu: Gpu;
  readonly #parts: { pipeline: GPUComputePipeline; group: GPUBindGroup; tiles: number }[];
  readonly #table: GPUBuffer;
  readonly #uniforms: GPUBuffer;

  /** `flag`: one word, set to 1 when a written weight is not finite; the caller clears and reads it. */
  constructor(
    gpu: Gpu, layout: Layout, slabs: readonly SlabBuffers[], columns: Columns, segments: number, flag: GPUBuffer, parts: readonly Part[],
  ) {
    this.#gpu = gpu;
    this.#table = gpu.buffer("coefficients", 4 * segments * columns.count, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    const step = Math.max(16, gpu.limits.minUniformBufferOffsetAlignment);
    this.#uniforms = gpu.buffer("parts", step * parts.length, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const words = new Uint32Array((step / 4) * parts.length);
    this.#parts = parts.map((part, i) => {
      words.set([part.firstTile, part.tiles, part.shift / 4, (layout.slabs[part.slab] as Slab).elements / 4], (i * step) / 4);
      const pipeline = gpu.pipeline("materialise", materialiseCode(columns, part.wide));
      const { base, deltas, masks, tiles } = slabs[part.slab] as SlabBuffers;
      const uniform = { buffer: this.#uniforms, offset: i * step, size: 16 };
      return {
        pipeline,
        group: bind(gpu.device, pipeline, [uniform, base, deltas, masks, tiles, this.#table, part.out, flag]),
        tiles: part.tiles,
      };
    });
    gpu.device.queue.writeBuffer(this.#uniforms, 0, words);
  }

  /** The table of the candidate to come, from `Factors.table`. */
  set(table: Float32Array<ArrayBuffer>): void {
    this.#gpu.device.queue.writeBuffer(this.#table, 0, table);
  }

  encode(pass: GPUComputePassEncoder, from = 0, to = this.#parts.length): void {
    let current: GPUComputePipeline | null = null;
    for (const { pipeline, group, tiles } of this.#parts.slice(from, to)) {
      if (pipeline !== current) pass.setPipeline((current = pipeline));
      pass.setBindGroup(0, group);
      dispatchFolded(pass, tiles);
    }
  }

  destroy(): void {
    this.#gpu.free(this.#table);
    this.#gpu.free(this.#uniforms);
  }
}

/** The kernel for these columns, written out direction by direction: no loop, no index into a list of directions. */
export function materialiseCode(columns: Columns, wide: boolean): string {
  const half = columns.precision === "f16";
  const store = wide
    ? "weights[i] = w;"
    : `weights[4u * i] = w.x;
  if (left > 1u) { weights[4u * i + 1u] = w.y; }
  if (left > 2u) { weights[4u * i + 2u] = w.z; }
  if (left > 3u) { weights[4u * i + 3u] = w.w; }`;
  return code
    .replace("array<DELTA>", half ? "array<vec2<u32>>" : "array<vec4<f32>>")
    .replace("array<OUT>", wide ? "array<vec4<f32>>" : "array<f32>")
    .replace("STORE", store)
    .replace("COLUMNSu", `${columns.count}u`)
    .replace("DIRECTIONS", columns.dense.map((direction) => directionCode(direction, half)).join("\n  "));
}

const LANES = [0, 1, 2, 3];

function directionCode({ column, dense, masked }: DenseColumn, half: boolean): string {
  const load = (at: string) => (half ? `unpack(deltas[${at}])` : `deltas[${at}]`);
  const used = ["c", ...masked.map((m) => `m${m.plane}`)].map((name) => `${name} != 0.0`).join(" || ");
  return `{
    let c = table[row + ${column}u];
    ${masked.map((m) => `let m${m.plane} = table[row + ${m.column}u];`).join(" ")}
    if (${used}) {
      let at = ${dense}u * part.stride;
      ${LANES.map((l) => `let d${l} = ${load(`at + i${l}`)};`).join(" ")}
      if (c != 0.0) { ${LANES.map((l) => `w${l} += c * d${l};`).join(" ")} }
      ${masked.map(maskedCode).join("\n      ")}
    }
  }`;
}

const maskedCode = ({ plane }: { plane: number }) => `if (m${plane} != 0.0) {
        let plane = ${plane}u * (part.stride >> 3u);
        ${LANES.map((l) => `w${l} += m${plane} * kept(d${l}, plane, i${l});`).join(" ")}
      }`;
