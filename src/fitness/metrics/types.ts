/** What a metric sees of one model on one task's samples, and what every metric says of itself. */
export interface Outputs {
  /** True class, or true number for regression. */
  readonly labels: ArrayLike<number>;
  /** Predicted class, or predicted number. */
  readonly predictions: ArrayLike<number>;
  /** Natural log of the probability given to the true label; empty for regression. */
  readonly logLikelihood: ArrayLike<number>;
  /** Number of classes; 0 for regression. */
  readonly classes: number;
}

export interface Metric {
  readonly title: string;
  /** Least and greatest value; higher is better, always. */
  readonly range: readonly [number, number];
  /** "numbers": labels are numbers, so a log-likelihood makes no sense. */
  readonly labels: "classes" | "numbers";
  /** A share of samples: a Wilson interval fits. */
  readonly proportion: boolean;
  /** A mean over samples of `sample(i)`: differences are resampled from those. Else the whole is computed anew a resample. */
  readonly sample: ((outputs: Outputs, i: number) => number) | null;
  /** NaN where undefined for lack of samples; 0 where the definition says so. */
  score(outputs: Outputs): number;
}

/** Mean of `value(i)`, summed from the first to the last: sums that decide have a fixed order. */
export function meanOver(n: number, value: (i: number) => number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += value(i);
  return sum / n;
}
