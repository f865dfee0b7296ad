/** The mask of one tensor, whatever number of pieces and slabs it lies in; nothing comes back to the CPU on the way. */
import type { Gpu } from "../../../gpu/device.ts";
import { bind, dispatchFolded } from "../../../gpu/dispatch.ts";
import type { Segment } from "../../types.ts";
import { keptCount } from "./magnitude.cpu.ts";
import code from "./magnitude.wgsl?raw";

export interface MagnitudePiece {
  readonly deltas: GPUBuffer;
  readonly masks: GPUBuffer;
  readonly tiles: GPUBuffer;
  readonly firstTile: number;
  readonly tileCount: number;
  /** Of the dense direction in `deltas`, in elements. */
  readonly start: number;
  /** Of the piece in its slab and in its tensor, in elements. */
  readonly at: number;
  readonly offset: number;
  readonly length: number;
  /** Where its words begin in `masks`. */
  readonly firstWord: number;
}

/** Histogram, state and uniforms: shared by all tensors, one after the other. */
export class MagnitudeSelect {
  readonly #gpu: Gpu;
  readonly #histogram: GPUBuffer;
  readonly #state: GPUBuffer;
  readonly #code: string;

  constructor(gpu: Gpu, precision: "f32" | "f16") {
    this.#gpu = gpu;
    this.#histogram = gpu.buffer("histogram", 1024, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    this.#state = gpu.buffer("select", 16, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    const half = precision === "f16";
    this.#code = code.replace("DELTA", half ? "vec2<u32>" : "vec4<f32>").replace("LOAD(", half ? "unpack(" : "(");
  }

  run(segment: Segment, density: number, pieces: readonly MagnitudePiece[]): void {
    if (segment.length === 0) return;
    const gpu = this.#gpu;
    const [rows, columns] = segment.transposed ? (segment.shape as [number, number]) : [0, 0];
    const step = Math.max(64, gpu.limits.minUniformBufferOffsetAlignment);
    const uniforms = gpu.buffer("select parts", step * 8 * pieces.length, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const words = new Uint32Array((step / 4) * 8 * pieces.length);
    const binding = (digit: number, p: number) => ({ buffer: uniforms, offset: step * (digit * pieces.length + p), size: 44 });
    for (let digit = 0; digit < 8; digit++) {
      pieces.forEach((piece, p) => {
        words.set([
          piece.tileCount, piece.firstTile, piece.start / 4, digit, rows, columns,
          Math.ceil(piece.length / 32), piece.firstWord, piece.at, piece.offset, piece.length,
        ], binding(digit, p).offset / 4);
      });
    }
    gpu.device.queue.writeBuffer(uniforms, 0, words);
    gpu.device.queue.writeBuffer(this.#state, 0, Uint32Array.of(0, 0, keptCount(segment.length, density), 0));
    const encoder = gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.#histogram);
    const pass = encoder.beginComputePass();
    const use = (entry: string, resources: (GPUBuffer | GPUBufferBinding | null)[], groups: number) => {
      const pipeline = gpu.pipeline(`magnitude ${entry}`, this.#code, entry);
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bind(gpu.device, pipeline, resources));
      dispatchFolded(pass, groups);
    };
    for (let digit = 0; digit < 8; digit++) {
      pieces.forEach((piece, p) =>
        use("count", [binding(digit, p), piece.deltas, piece.tiles, this.#histogram, this.#state, null], piece.tileCount),
      );
      use("pick", [binding(digit, 0), null, null, this.#histogram, this.#state, null], 1);
    }
    pieces.forEach((piece, p) =>
      use("keep", [binding(0, p), piece.deltas, null, null, this.#state, piece.masks], Math.ceil(piece.length / 2048)),
    );
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    gpu.free(uniforms); // after submit: the queue keeps it until its work is done
  }

  destroy(): void {
    this.#gpu.free(this.#histogram);
    this.#gpu.free(this.#state);
  }
}
