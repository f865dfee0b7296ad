/** What a metric sees of one model on one task's samples, and what every metric says of itself. */
import type { ChoiceScores } from "../types.ts";

export interface Outputs {
  /** True class or choice, true number for regression, 1 where a text is generated. */
  readonly labels: ArrayLike<number>;
  /** Predicted class, choice or number; 1 (right) or 0 where a text was generated. */
  readonly predictions: ArrayLike<number>;
  /** Natural log of the probability given to the true label or answer; empty for regression. */
  readonly logLikelihood: ArrayLike<number>;
  /** Number of classes; 0 for regression and texts. */
  readonly classes: number;
  /** Nats of a uniform guess; absent: ln(classes) everywhere. */
  readonly uniform?: ArrayLike<number>;
  /** Tokens that `logLikelihood` is over. */
  readonly tokens?: ArrayLike<number>;
  /** Log-likelihoods of choices. */
  readonly choices?: readonly ChoiceScores[];
  /** Positions of right choices, where there may be several; absent: `labels`. */
  readonly right?: readonly (readonly number[])[];
}

export interface Metric {
  readonly title: string;
  /** Least and greatest value. */
  readonly range: readonly [number, number];
  /** "numbers": labels are numbers, so a log-likelihood makes no sense. */
  readonly labels: "classes" | "numbers";
  /** Where lower is better: a function of the value of which higher is. Searches, means over tasks and differences go by it. */
  readonly merit?: (value: number) => number;
  /** A share of samples: a Wilson interval fits. */
  readonly proportion: boolean;
  /** What is taken for the prediction, where that is not `predictions`. */
  readonly predict?: (outputs: Outputs, i: number) => number;
  /** A mean over samples of `sample(i)`: differences are resampled from those. Else the whole is computed anew a resample. */
  readonly sample: ((outputs: Outputs, i: number) => number) | null;
  /** NaN where undefined for lack of samples; 0 where the definition says so. */
  score(outputs: Outputs): number;
}

/** A score as searches, means over tasks and differences take it: higher is better, always. */
export const meritOf = (metric: Metric, value: number): number => metric.merit?.(value) ?? value;

/** Samples by number, repeats allowed: what a resample is. */
export function part(outputs: Outputs, indices: readonly number[]): Outputs {
  const pick = (from: ArrayLike<number>) => (from.length === 0 ? [] : indices.map((i) => from[i] ?? NaN));
  const { labels, predictions, logLikelihood, classes, uniform, tokens, choices, right } = outputs;
  const among = <T>(from: readonly T[]) => indices.flatMap((i) => from.slice(i, i + 1));
  return {
    labels: pick(labels), predictions: pick(predictions), logLikelihood: pick(logLikelihood), classes,
    ...(uniform && { uniform: pick(uniform) }), ...(tokens && { tokens: pick(tokens) }), ...(choices && { choices: among(choices) }), ...(right && { right: among(right) }),
  };
}

/** Mean of `value(i)`, summed from the first to the last: sums that decide have a fixed order. */
export function meanOver(n: number, value: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += value(i);
  return sum / n;
}
