/** Weights rounded to the type they will be written in, as float32 again. */
import { bf16Array, f32FromBf16Array } from "../lib/bf16.ts";
import { f16Array, f32FromF16Array } from "../lib/f16.ts";
import type { OutDtype } from "../recipe/schema.ts";

export function roundWeights(weights: readonly Float32Array[], dtype: OutDtype): Float32Array[] {
  if (dtype === "float32" || dtype === "auto") return [...weights];
  const round = dtype === "float16" ? (tensor: Float32Array) => f32FromF16Array(f16Array(tensor)) : (tensor: Float32Array) => f32FromBf16Array(bf16Array(tensor));
  return weights.map(round);
}
