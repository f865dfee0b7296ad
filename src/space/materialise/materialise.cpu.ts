/** The definition: w = Σ_d c_d · direction_d, one segment. `materialise.wgsl` is right when it agrees with this. */
import { addLowRank, type LowRank } from "../../checkpoint/lora/factors.ts";
import type { Columns } from "../columns.ts";

const BLOCK = 8192; // elements that stay in the cache while directions pass over them

/**
 * `low`: one entry a low-rank direction, null where it leaves the segment alone; their own scales are in the coefficients.
 * `row` is one row of the coefficient table; a coefficient of 0 leaves its direction out, whatever it holds.
 * Returns whether all of `out` is finite.
 */
export function materialise(
  out: Float32Array, base: Float32Array, deltas: readonly Float32Array[], masks: readonly Uint32Array[],
  columns: Columns, row: Float32Array, low: readonly (LowRank | null)[] = [],
): boolean {
  let spoilt = 0;
  for (let from = 0; from < out.length; from += BLOCK) {
    const to = Math.min(from + BLOCK, out.length);
    const c0 = row[0] as number;
    if (c0 === 0) out.fill(0, from, to);
    else for (let i = from; i < to; i++) out[i] = c0 * (base[i] as number);
    for (const direction of columns.dense) {
      const delta = deltas[direction.dense] as Float32Array;
      const c = row[direction.column] as number;
      if (c !== 0) for (let i = from; i < to; i++) out[i] = (out[i] as number) + c * (delta[i] as number);
      for (const masked of direction.masked) {
        const m = row[masked.column] as number;
        if (m !== 0) addMasked(out, delta, masks[masked.plane] as Uint32Array, m, from, to);
      }
    }
    for (const direction of columns.low) {
      const factors = low[direction.low];
      const c = row[direction.column] as number;
      if (!factors) continue;
      if (c !== 0) addLowRank(out.subarray(from, to), { ...factors, scale: c }, from);
      if (direction.masked.every(({ column }) => row[column] === 0)) continue;
      const product = new Float32Array(to - from);
      addLowRank(product, { ...factors, scale: 1 }, from);
      for (const masked of direction.masked) {
        const m = row[masked.column] as number;
        if (m !== 0) addMasked(out, product, masks[masked.plane] as Uint32Array, m, from, to, from);
      }
    }
    for (let i = from; i < to; i++) spoilt += (out[i] as number) * 0; // NaN once anything is NaN or infinite
  }
  return spoilt === 0;
}

/** Whole words of the mask: one that is 0 skips 32 elements. `from` is a multiple of 32; `delta` begins at element `start`. */
function addMasked(out: Float32Array, delta: Float32Array, mask: Uint32Array, c: number, from: number, to: number, start = 0): void {
  for (let first = from; first < to; first += 32) {
    let bits = mask[first >>> 5] as number;
    while (bits !== 0) {
      const lowest = 31 - Math.clz32(bits & -bits);
      bits &= bits - 1;
      const i = first + lowest;
      out[i] = (out[i] as number) + c * (delta[i - start] as number);
    }
  }
}
