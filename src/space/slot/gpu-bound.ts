/** A slot the runtime binds on the GPU: one buffer a segment, written by the kernel in place, read back seldom and in small parts. */
import { type Piece as Range, Staging } from "../../gpu/readback.ts";
import type { GpuBasis } from "../basis.gpu.ts";
import type { Materialiser } from "../materialise/materialise.ts";
import { countNonFinite } from "../task-vector.ts";
import type { Slot } from "../types.ts";

export class GpuBoundSlot implements Slot {
  readonly bind = "gpu";
  readonly arrays: readonly Float32Array[] = [];
  readonly buffers: readonly GPUBuffer[];
  readonly #basis: GpuBasis;
  readonly #materialiser: Materialiser;
  readonly #flag: GPUBuffer;
  readonly #flagBack: Staging;

  constructor(basis: GpuBasis) {
    const { gpu, space } = basis;
    this.#basis = basis;
    // Exactly 4·length bytes: a runtime that binds a buffer of another size gives wrong numbers and no error.
    this.buffers = space.segments.map((segment) =>
      gpu.buffer(segment.name, 4 * segment.length, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST),
    );
    this.#flag = gpu.buffer("not finite", 4, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
    this.#flagBack = new Staging(gpu, 4);
    const parts = basis.layout.pieces.map((piece) => ({
      ...piece,
      shift: piece.at,
      out: { buffer: this.buffers[piece.segment] as GPUBuffer, offset: 4 * piece.offset, size: 4 * piece.length },
      wide: piece.length % 4 === 0,
    }));
    this.#materialiser = basis.materialiser(this.#flag, parts);
  }

  async materialise(coefficients: Float64Array): Promise<{ nonFinite: boolean }> {
    const { gpu, factors } = this.#basis;
    await gpu.settled();
    this.#materialiser.set(factors.table(coefficients));
    const encoder = gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.#flag);
    const pass = encoder.beginComputePass();
    this.#materialiser.encode(pass);
    pass.end();
    return this.#finish(encoder, this.#flag, 0);
  }

  /** Copies a model that lies in slabs (a resident particle); `flag` is its own word for "not finite". */
  async copy(slabs: readonly GPUBuffer[], flag: GPUBuffer, flagOffset: number): Promise<{ nonFinite: boolean }> {
    const { gpu, layout } = this.#basis;
    await gpu.settled();
    const encoder = gpu.device.createCommandEncoder();
    for (const piece of layout.pieces) {
      const from = slabs[piece.slab] as GPUBuffer;
      encoder.copyBufferToBuffer(from, 4 * piece.at, this.buffers[piece.segment] as GPUBuffer, 4 * piece.offset, 4 * piece.length);
    }
    return this.#finish(encoder, flag, flagOffset);
  }

  #finish(encoder: GPUCommandEncoder, flag: GPUBuffer, offset: number): Promise<{ nonFinite: boolean }> {
    encoder.copyBufferToBuffer(flag, offset, this.#flagBack.buffer, 0, 4);
    return this.#flagBack.take(encoder, 4, (view) => ({ nonFinite: new Uint32Array(view)[0] !== 0 }));
  }

  async write(weights: readonly Float32Array[]): Promise<{ nonFinite: boolean }> {
    await this.#basis.gpu.settled();
    let nonFinite = false;
    this.buffers.forEach((buffer, i) => {
      const values = weights[i] as Float32Array<ArrayBuffer>;
      this.#basis.gpu.device.queue.writeBuffer(buffer, 0, values);
      nonFinite ||= countNonFinite(values) > 0;
    });
    return { nonFinite };
  }

  async read(): Promise<Float32Array[]> {
    const { gpu, space } = this.#basis;
    const out = space.segments.map((segment) => new Float32Array(segment.length));
    // A 32nd of the model, so that reading does not set the peak; at most 16 MiB.
    const staging = new Staging(gpu, Math.min(2 ** 24, Math.max(4096, 4 * Math.ceil(space.length / 32))));
    try {
      const ranges = out.map((values, i): Range => ({
        from: this.buffers[i] as GPUBuffer, offset: 0, bytes: values.byteLength, to: new Uint8Array(values.buffer),
      }));
      await staging.read(ranges);
    } finally {
      staging.destroy();
    }
    return out;
  }

  destroy(): void {
    for (const buffer of this.buffers) this.#basis.gpu.free(buffer);
    this.#basis.gpu.free(this.#flag);
    this.#flagBack.destroy();
    this.#materialiser.destroy();
  }
}
