/** One weight with an adapter's change on it: its factors, and DoRA's lengths; whoever has it says how the weight itself is read. */
import { addLowRank, type LowRank, turned } from "./factors.ts";
import type { Lie } from "./fit.ts";

/** Elements that are read at once to measure columns. */
const MEASURE_ELEMENTS = 1 << 20;

/** Elements from..to−1 of the weight before the change, into `into`, which is as long. */
export type ReadBefore = (from: number, to: number, into: Float32Array) => Promise<unknown>;

export interface Factors {
  /** `[rank × in]`; an embedding's `[rank × rows]` */
  readonly a: Float32Array<ArrayBuffer>;
  /** `[out × rank]` */
  readonly b: Float32Array<ArrayBuffer>;
  /** DoRA's, a number an output; else null. */
  readonly magnitude: Float32Array | null;
}

export class AdaptedTensor {
  /** ΔW as the checkpoint stores the weight. */
  readonly low: LowRank;
  readonly #magnitude: Float32Array | null;
  readonly #byColumns: boolean;
  /** Lengths of columns, measured once over the whole tensor. */
  #lengths: Promise<Float64Array> | null = null;

  constructor({ rows, columns, turned: across, pair: { rank, scale } }: Lie & { readonly pair: { readonly rank: number; readonly scale: number } }, { a, b, magnitude }: Factors) {
    // (B·A)ᵀ = Aᵀ·Bᵀ
    this.low = across ? { rows, columns, rank, scale, left: turned(a, rank, rows), right: turned(b, columns, rank) } : { rows, columns, rank, scale, left: b, right: a };
    this.#magnitude = magnitude;
    this.#byColumns = across;
  }

  /** Elements from..to−1, exact but for one rounding of each sum. `out` is as long. */
  async read(before: ReadBefore, from: number, to: number, out: Float32Array): Promise<Float32Array> {
    const { low } = this;
    const magnitude = this.#magnitude;
    if (magnitude === null || this.#byColumns) {
      await before(from, to, out);
      addLowRank(out, low, from);
      if (magnitude === null) return out;
      const lengths = await (this.#lengths ??= this.#measure(before));
      for (let i = 0; i < out.length; i++) {
        const column = (from + i) % low.columns;
        out[i] = ((magnitude[column] as number) / (lengths[column] as number)) * (out[i] as number);
      }
      return out;
    }
    // Whole rows, so that each can be measured.
    const [first, end] = [Math.floor(from / low.columns) * low.columns, Math.ceil(to / low.columns) * low.columns];
    const rows = new Float32Array(end - first);
    await before(first, end, rows);
    addLowRank(rows, low, first);
    for (let at = 0; at < rows.length; at += low.columns) {
      const row = rows.subarray(at, at + low.columns);
      const factor = (magnitude[(first + at) / low.columns] as number) / Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
      for (let i = 0; i < row.length; i++) row[i] = factor * (row[i] as number);
    }
    out.set(rows.subarray(from - first, to - first));
    return out;
  }

  async #measure(before: ReadBefore): Promise<Float64Array> {
    const { low } = this;
    const sums = new Float64Array(low.columns);
    const length = low.rows * low.columns;
    const step = Math.max(1, Math.floor(MEASURE_ELEMENTS / low.columns)) * low.columns;
    const part = new Float32Array(Math.min(step, length));
    for (let from = 0; from < length; from += step) {
      const values = part.subarray(0, Math.min(step, length - from));
      await before(from, from + values.length, values);
      addLowRank(values, low, from);
      for (let i = 0, column = 0; i < values.length; i++, column = column + 1 === low.columns ? 0 : column + 1) {
        sums[column] = (sums[column] as number) + (values[i] as number) ** 2;
      }
    }
    return sums.map(Math.sqrt);
  }
}
