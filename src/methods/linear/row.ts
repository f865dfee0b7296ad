/** Weighted average of the experts: Σ wθ / Σ w; without `normalize` Σ wθ, where the base counts Σ w times (θ = θ₀ + δ). */
import { type Ingredients, rowOver, weightsOf } from "../coefficients.ts";
import type { LinearParameters } from "./fields.ts";

export function linear({ weights, normalize }: LinearParameters, { experts }: Ingredients, columns: readonly string[]): Float64Array {
  const w = weightsOf({ experts }, weights);
  const sum = w.reduce((total, weight) => total + weight, 0);
  return normalize ? rowOver(columns, experts, 1, w.map((weight) => weight / sum)) : rowOver(columns, experts, sum, w);
}
