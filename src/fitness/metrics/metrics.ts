/** A task's scores by the recipe's names, as float32: a link carries them exactly. */
import { LabError } from "../../lib/error.ts";
import { metrics, type MetricName } from "./table.ts";
import type { Outputs } from "./types.ts";

/** What an evaluation knows of a task's samples. Without `labels` only metrics that are right-or-wrong can be had. */
export interface Measured {
  readonly predictions: ArrayLike<number>;
  readonly correct: ArrayLike<number>;
  readonly logLikelihood: ArrayLike<number>;
  readonly labels?: ArrayLike<number>;
}

/** The metric itself. NaN where there is no sample. */
export function metricOf(metric: MetricName, measured: Measured, classes: number): number {
  return Math.fround(metrics[metric].score(outputsOf(metric, measured, classes)));
}

/** What the search is told: the metric, or log-likelihood in its place. */
export function measureTask(metric: MetricName, measure: "metric" | "log_likelihood", measured: Measured, classes: number): number {
  return metricOf(measure === "metric" ? metric : "log_likelihood", measured, classes);
}

export function outputsOf(metric: MetricName, measured: Measured, classes: number): Outputs {
  const { predictions, logLikelihood } = measured;
  if (measured.labels !== undefined) return { labels: measured.labels, predictions, logLikelihood, classes };
  if (metric !== "accuracy" && metric !== "log_likelihood") {
    throw new LabError("internal", `${metric} was asked of scores that do not carry the true labels.`);
  }
  // Right or wrong is all these two need: class 1 stands for a right answer.
  return { labels: new Uint8Array(measured.correct.length).fill(1), predictions: measured.correct, logLikelihood, classes };
}
