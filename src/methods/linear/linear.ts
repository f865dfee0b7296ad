/** Σ wθ / Σ w (arXiv 2203.05482). In f32 whatever the arithmetic; rounded once. */
import { mul, number, sum } from "../expression.ts";
import type { Method } from "../method.ts";

export const linear: Method = ({ models, parameters }) => {
  const weights = models.map(({ parameters: own }) => Math.fround(own["weight"] as number));
  const total = sum(models.map(({ value }, i) => mul(value, number(weights[i] as number))));
  return parameters["normalize"] ? mul(total, number(1 / weights.reduce((so, weight) => so + weight, 0))) : total;
};
