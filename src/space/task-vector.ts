/**
 * δ = θ_expert − θ₀, formed as segments arrive. Packed to f16 it is first multiplied by a power of two that brings the
 * largest |δ| of the tensor into [2¹⁴, 2¹⁵): fine-tuning moves weights by 1e-4 or so, where halves have few bits left.
 */
import { f16Array, f32FromF16Array } from "../lib/f16.ts";

export interface VectorFacts {
  /** Elements that are no finite number, or differ from the base by none. */
  readonly nonFinite: number;
  /** Stored values are δ·2^exponent; 0 for f32. */
  readonly exponent: number;
}

export function surveyVector(expert: Float32Array, base: Float32Array, precision: "f32" | "f16"): VectorFacts {
  let nonFinite = 0;
  let largest = 0;
  for (let i = 0; i < expert.length; i++) {
    const e = expert[i] as number;
    const b = base[i] as number;
    const size = Math.abs(Math.fround(e - b));
    if (size < Infinity) {
      if (size > largest) largest = size;
    } else if (e - e !== 0 || b - b === 0) nonFinite++; // not where the base alone is to blame
  }
  return { nonFinite, exponent: precision === "f32" || largest === 0 ? 0 : Math.min(100, 14 - Math.floor(Math.log2(largest))) };
}

/** Elements `from..to`, times 2^exponent. */
export function taskVector(expert: Float32Array, base: Float32Array, exponent: number, from = 0, to = expert.length): Float32Array<ArrayBuffer> {
  const out = new Float32Array(to - from);
  const scale = 2 ** exponent;
  for (let i = 0; i < out.length; i++) out[i] = Math.fround((expert[from + i] as number) - (base[from + i] as number)) * scale;
  return out;
}

/** What a packed direction holds, as f32. */
export function throughHalf(values: Float32Array): Float32Array<ArrayBuffer> {
  return f32FromF16Array(f16Array(values));
}

export function countNonFinite(values: Float32Array): number {
  let count = 0;
  for (let i = 0; i < values.length; i++) if ((values[i] as number) - (values[i] as number) !== 0) count++;
  return count;
}

/** Arrays ← weights, one a segment; true when some weight is not a finite number. */
export function overwrite(arrays: readonly Float32Array[], weights: readonly Float32Array[]): boolean {
  let nonFinite = false;
  arrays.forEach((array, i) => {
    array.set(weights[i] as Float32Array); // one a segment on both sides
    nonFinite ||= countNonFinite(array) > 0;
  });
  return nonFinite;
}
