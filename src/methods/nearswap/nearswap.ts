/** w·θ₁ + (1−w)·θ₀, w = clamp(t / max(|θ₀−θ₁|, 1e-6), 0, 1). */
import { abs, div, max, min, number, type Float } from "../expression.ts";
import { baseOf, type Method } from "../method.ts";

const LEAST_DISTANCE = 1e-6;

export const nearswap: Method = (tensor) => {
  const { arithmetic: a, models, parameters } = tensor;
  const [base, other] = [baseOf(tensor), models[0]?.value as Float];
  const distance = max(abs(a.sub(base, other)), number(a.scalar(LEAST_DISTANCE)));
  // t ÷ distance as mergekit has it: the reciprocal first, rounded.
  const share = a.mul(a.round(div(number(1), distance)), number(parameters["t"] as number));
  const weight = min(max(share, number(0)), number(1));
  return a.add(a.mul(other, weight), a.mul(base, a.sub(number(1), weight)));
};
