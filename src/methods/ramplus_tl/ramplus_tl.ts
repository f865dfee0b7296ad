/** As ram, with what model i alone changed × (1 + r·clamp(sharedᵢ/aloneᵢ, 0, α)), counted in the tensor (arXiv 2601.13572). */
import { add, and, div, flag, mul, number, sum } from "../expression.ts";
import { baseOf, type Method } from "../method.ts";
import { changesOf } from "../ram/shared.ts";

export const ramplusTl: Method = async (tensor) => {
  const { arithmetic: a, models, parameters, passes } = tensor;
  const base = baseOf(tensor);
  if (models.length === 0) return base;
  const { changed, alone, several, count } = changesOf(tensor);
  const { counts } = await passes.totals([], changed.flatMap((truth) => [and(truth, several), and(truth, alone)]));
  const [r, alpha, epsilon] = ["r", "alpha", "epsilon"].map((name) => parameters[name] as number) as [number, number, number];
  const parts = models.map(({ delta }, i) => {
    const ratio = (counts[2 * i] as number) / Math.max(counts[2 * i + 1] as number, epsilon);
    const factor = 1 + Math.fround(r * Math.min(Math.max(Math.fround(ratio), 0), alpha));
    const change = mul(delta, flag(changed[i]!)); // one truth a model
    const own = mul(mul(change, flag(alone)), number(factor));
    return add(own, a.round(div(mul(change, flag(several)), count)));
  });
  // The factors are f32, so from here on everything is, up to the last rounding.
  return add(base, sum(parts));
};
