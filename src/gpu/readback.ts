/**
 * Bytes from the GPU through one small staging buffer, kept for the next time: pieces are packed into it, so many
 * small buffers cost one round trip and a large one several.
 */
import type { Gpu } from "./device.ts";

/** A range of a GPU buffer and where its bytes go; `bytes` and `offset` are multiples of 4. */
export interface Piece {
  readonly from: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
  readonly to: Uint8Array;
}

export class Staging {
  readonly gpu: Gpu;
  readonly buffer: GPUBuffer;

  constructor(gpu: Gpu, bytes: number, label = "staging") {
    this.gpu = gpu;
    this.buffer = gpu.buffer(label, bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  }

  /** Submits, waits, and lends the first `bytes` of the staging buffer to `use`. */
  async take<T>(encoder: GPUCommandEncoder, bytes: number, use: (view: ArrayBuffer) => T): Promise<T> {
    if (this.gpu.lost) throw this.gpu.lostError();
    this.gpu.device.queue.submit([encoder.finish()]);
    try {
      await this.buffer.mapAsync(GPUMapMode.READ, 0, bytes);
    } catch (cause) {
      await this.gpu.settled(); // says what was lost or refused, if that is why
      throw this.gpu.lostError(cause);
    }
    try {
      return use(this.buffer.getMappedRange(0, bytes));
    } finally {
      this.buffer.unmap();
    }
  }

  async read(pieces: readonly Piece[]): Promise<void> {
    for (const round of rounds(pieces, this.buffer.size)) {
      const encoder = this.gpu.device.createCommandEncoder();
      let end = 0;
      for (const piece of round) {
        encoder.copyBufferToBuffer(piece.from, piece.offset, this.buffer, end, piece.bytes);
        end += piece.bytes;
      }
      await this.take(encoder, end, (view) => {
        let start = 0;
        for (const piece of round) {
          piece.to.set(new Uint8Array(view, start, piece.bytes));
          start += piece.bytes;
        }
      });
    }
  }

  destroy(): void {
    this.gpu.free(this.buffer);
  }
}

/** Cuts pieces so that each round fills at most `capacity` bytes. */
function rounds(pieces: readonly Piece[], capacity: number): Piece[][] {
  const all: Piece[][] = [];
  let round: Piece[] = [];
  let left = capacity;
  for (const piece of pieces) {
    for (let done = 0; done < piece.bytes; ) {
      if (left === 0) {
        all.push(round);
        round = [];
        left = capacity;
      }
      const bytes = Math.min(piece.bytes - done, left);
      round.push({ from: piece.from, offset: piece.offset + done, bytes, to: piece.to.subarray(done, done + bytes) });
      done += bytes;
      left -= bytes;
    }
  }
  if (round.length > 0) all.push(round);
  return all;
}

/** One buffer, once: for tests and small results. */
export async function readWhole(gpu: Gpu, buffer: GPUBuffer, bytes = buffer.size): Promise<ArrayBuffer> {
  const out = new Uint8Array(bytes);
  if (bytes === 0) return out.buffer;
  const staging = new Staging(gpu, Math.min(bytes, 64 * 2 ** 20));
  try {
    await staging.read([{ from: buffer, offset: 0, bytes, to: out }]);
  } finally {
    staging.destroy();
  }
  return out.buffer;
}
