/**
 * A slot the runtime reads from memory (WASM): merged on the GPU, brought back through scratch and staging, with no whole
 * model of its own on the GPU. The word for "not finite" rides behind the last round.
 */
import { Staging } from "../../gpu/readback.ts";
import type { GpuBasis } from "../basis.gpu.ts";
import type { Materialiser } from "../materialise/materialise.ts";
import { overwrite } from "../task-vector.ts";
import type { Slot, Space } from "../types.ts";
import { planRounds, type Round, scratchElements, stagingElements } from "./rounds.ts";

interface Coming {
  readonly coefficients: Float64Array;
  readonly outcome: Promise<{ nonFinite: boolean }>;
}

/** Larger models are not kept twice: bringing them back takes a small part of scoring them. */
const SPARE_BYTES = 256 * 2 ** 20;

export class CpuBoundSlot implements Slot {
  readonly bind = "cpu";
  readonly buffers: readonly GPUBuffer[] = [];
  #arrays: Float32Array[];
  /** The second set of arrays, made when first needed, and the candidate on its way into it. */
  #spare: Float32Array[] | null = null;
  #coming: Coming | null = null;
  readonly #basis: GpuBasis;
  readonly #rounds: readonly Round[];
  readonly #scratch: GPUBuffer;
  readonly #staging: Staging;
  readonly #flag: GPUBuffer;
  readonly #materialiser: Materialiser;

  constructor(basis: GpuBasis) {
    const { gpu, space, layout } = basis;
    this.#basis = basis;
    this.#arrays = arraysOf(space);
    this.#rounds = planRounds(layout);
    this.#scratch = gpu.buffer("scratch", 4 * scratchElements(layout), GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    this.#staging = new Staging(gpu, 4 * stagingElements(layout) + 4);
    this.#flag = gpu.buffer("not finite", 4, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
    const parts = this.#rounds.flatMap(({ chunks }) =>
      chunks.flatMap((chunk) => chunk.parts.map((part) => ({ ...part, slab: chunk.slab, shift: chunk.start, out: { buffer: this.#scratch }, wide: true }))),
    );
    this.#materialiser = basis.materialiser(this.#flag, parts);
  }

  get arrays(): readonly Float32Array[] {
    return this.#arrays;
  }

  async materialise(coefficients: Float64Array): Promise<{ nonFinite: boolean }> {
    const coming = await this.#arrived();
    if (!coming || !same(coming.coefficients, coefficients)) return this.#merge(coefficients, this.#arrays);
    [this.#arrays, this.#spare] = [this.#spare as Float32Array[], this.#arrays]; // the candidate came into the spare ones
    return coming.outcome;
  }

  ahead(coefficients: Float64Array): void {
    if (this.#coming || 4 * this.#basis.space.length > SPARE_BYTES) return;
    this.#spare ??= arraysOf(this.#basis.space);
    const outcome = this.#merge(coefficients, this.#spare);
    outcome.catch(() => undefined); // told to whoever waits for it
    this.#coming = { coefficients, outcome };
  }

  /** Scratch and staging serve one candidate at a time: what was begun ahead is waited for, whoever comes. */
  async #arrived(): Promise<Coming | null> {
    const coming = this.#coming;
    await coming?.outcome;
    this.#coming = null;
    return coming;
  }

  async #merge(coefficients: Float64Array, arrays: readonly Float32Array[]): Promise<{ nonFinite: boolean }> {
    const { gpu, factors } = this.#basis;
    await gpu.settled();
    this.#materialiser.set(factors.table(coefficients));
    let part = 0;
    return this.#bringBack(arrays, this.#flag, 0, (encoder, { elements, staged, parts }, first) => {
      if (first) encoder.clearBuffer(this.#flag);
      const pass = encoder.beginComputePass();
      this.#materialiser.encode(pass, part, (part += parts.length));
      pass.end();
      encoder.copyBufferToBuffer(this.#scratch, 0, this.#staging.buffer, 4 * staged, 4 * elements);
    });
  }

  /** Copies a model that lies in slabs (a resident particle); `flag` is its own word for "not finite". */
  async copy(slabs: readonly GPUBuffer[], flag: GPUBuffer, flagOffset: number): Promise<{ nonFinite: boolean }> {
    await this.#arrived();
    await this.#basis.gpu.settled();
    return this.#bringBack(this.#arrays, flag, flagOffset, (encoder, { slab, start, elements, staged }) => {
      encoder.copyBufferToBuffer(slabs[slab] as GPUBuffer, 4 * start, this.#staging.buffer, 4 * staged, 4 * elements);
    });
  }

  async #bringBack(
    arrays: readonly Float32Array[], flag: GPUBuffer, flagOffset: number, encode: (encoder: GPUCommandEncoder, chunk: Round["chunks"][number], first: boolean) => void,
  ): Promise<{ nonFinite: boolean }> {
    let nonFinite = false;
    for (const [r, round] of this.#rounds.entries()) {
      const encoder = this.#basis.gpu.device.createCommandEncoder();
      round.chunks.forEach((chunk, c) => encode(encoder, chunk, r === 0 && c === 0));
      const bytes = 4 * round.elements;
      encoder.copyBufferToBuffer(flag, flagOffset, this.#staging.buffer, bytes, 4);
      await this.#staging.take(encoder, bytes + 4, (view) => {
        const values = new Float32Array(view, 0, round.elements);
        for (const { start, staged, parts } of round.chunks) {
          for (const { segment, offset, at, length } of parts) {
            const from = staged + at - start;
            arrays[segment]?.set(values.subarray(from, from + length), offset);
          }
        }
        nonFinite = new Uint32Array(view, bytes, 1)[0] !== 0; // set once it stays set
      });
    }
    return { nonFinite };
  }

  async write(weights: readonly Float32Array[]): Promise<{ nonFinite: boolean }> {
    return { nonFinite: overwrite(this.#arrays, weights) };
  }

  async read(): Promise<Float32Array[]> {
    return this.#arrays.map((array) => array.slice());
  }

  destroy(): void {
    this.#basis.gpu.free(this.#scratch);
    this.#basis.gpu.free(this.#flag);
    this.#staging.destroy();
    this.#materialiser.destroy();
  }
}

const arraysOf = ({ segments }: Space) => segments.map(({ length }) => new Float32Array(length));

/** Bit for bit: a NaN is itself. */
function same(a: Float64Array, b: Float64Array): boolean {
  return a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
}
