/** Task arithmetic (arXiv 2212.04089): θ₀ + λ·Σ wδ, with `normalize` divided by Σ w as mergekit does. */
import { type Ingredients, rowOver, weightsOf } from "../coefficients.ts";
import type { TaskArithmeticParameters } from "./fields.ts";

export function taskArithmetic(
  { lambda, weights, normalize }: TaskArithmeticParameters, { experts }: Ingredients, columns: readonly string[],
): Float64Array {
  const w = weightsOf({ experts }, weights);
  const sum = w.reduce((total, weight) => total + weight, 0);
  const divisor = normalize && Math.abs(sum) >= 1e-8 ? sum : 1;
  return rowOver(columns, experts, 1, w.map((weight) => (lambda * weight) / divisor));
}
