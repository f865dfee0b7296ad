/** What both RAM methods begin with: who changed an element, and how many did. */
import { abs, eq, flag, type Float, gt, max, number, sum, type Truth } from "../expression.ts";
import type { Tensor } from "../method.ts";

export interface Changes {
  /** By model: |δ| > epsilon. */
  readonly changed: readonly Truth[];
  /** Where one model alone did. */
  readonly alone: Truth;
  /** How many did, at least 1. */
  readonly count: Float;
  /** Where several did. */
  readonly several: Truth;
}

export function changesOf({ arithmetic: a, models, parameters }: Tensor): Changes {
  const epsilon = number(a.scalar(parameters["epsilon"] as number));
  const changed = models.map(({ delta }) => gt(abs(delta), epsilon));
  const count = sum(changed.map((truth) => flag(truth)));
  return { changed, alone: eq(count, number(1)), count: max(count, number(1)), several: gt(count, number(1)) };
}
