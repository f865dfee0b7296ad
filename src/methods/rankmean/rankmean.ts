/** Σ wᵢθᵢ, wᵢ = rᵢ/Σr: how model i ranks this layer among its own by Σ|δ|; outside the layers all weigh the same. */
import { type Float, mul, number, sum } from "../expression.ts";
import type { Method } from "../method.ts";

export const rankmean: Method = ({ job, models, survey, arithmetic: a }) => {
  const { layer } = job;
  const ranks = models.map(({ position }) => (layer === null || layer === undefined ? 1 : (survey().ranks[position]?.get(layer) ?? 1)));
  const total = ranks.reduce((so, rank) => so + rank, 0);
  const parts: Float[] = models.map(({ value }, i) => mul(value, number((ranks[i] as number) / total)));
  return a.round(sum(parts));
};
