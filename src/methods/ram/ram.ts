/** θ₀ + Σ δᵢ where one model changed the element, Σ δᵢ/count where several did (arXiv 2601.13572). */
import { div, flag, mul } from "../expression.ts";
import { baseOf, type Method } from "../method.ts";
import { changesOf } from "./shared.ts";

export const ram: Method = (tensor) => {
  const { arithmetic: a, models } = tensor;
  const base = baseOf(tensor);
  if (models.length === 0) return base;
  const { changed, count } = changesOf(tensor);
  // Where the count is 1 the quotient is the change itself.
  const parts = models.map(({ delta }, i) => a.round(div(mul(delta, flag(changed[i]!)), count))); // one truth a model
  return a.add(base, a.sum(parts));
};
