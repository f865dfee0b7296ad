/** Weights rounded to the type they will be written in, as float32 again. */
import { bf16FromF32, f16FromF32, f32FromBf16, f32FromF16 } from "../lib/f16.ts";
import type { OutDtype } from "../recipe/schema.ts";

export function roundWeights(weights: readonly Float32Array[], dtype: OutDtype): Float32Array[] {
  if (dtype === "float32") return [...weights];
  const round = dtype === "float16" ? (value: number) => f32FromF16(f16FromF32(value)) : (value: number) => f32FromBf16(bf16FromF32(value));
  return weights.map((tensor) => tensor.map(round));
}
