/** What a report says of test scores: intervals of one model, differences between two, and when one may be called better. */
import { metrics } from "../../fitness/metrics/table.ts";
import { meritOf, part, type Metric, type Outputs } from "../../fitness/metrics/types.ts";
import { percentileInterval, RESAMPLES, resampledMeans, resampledStatistic } from "./bootstrap.ts";
import { Sampler } from "./sampler.ts";
import { wilson, type Interval } from "./wilson.ts";

/** What one model did on one task's test samples. */
export interface TaskSamples {
  readonly task: string;
  /** In the mean over tasks. */
  readonly weight: number;
  readonly metric: Metric;
  readonly outputs: Outputs;
  /** Source of each sample; null when all are independent. */
  readonly clusters: readonly string[] | null;
}

export interface ScoreInterval {
  readonly value: number;
  readonly n: number;
  readonly interval: Interval | null;
  readonly how: string;
}

const none = (n: number): ScoreInterval => ({ value: NaN, n, interval: null, how: "none" });

/** Interval of one model on one task: Wilson for independent proportions, bootstrap otherwise. */
export function intervalOf(metric: Metric, outputs: Outputs, clusters: readonly string[] | null, seed: number): ScoreInterval {
  const n = outputs.labels.length;
  if (n === 0) return none(0);
  const value = metric.score(outputs);
  if (metric.proportion && clusters === null) return { value, n, interval: wilson(Math.round(value * n), n), how: "wilson" };
  const resampled = resampledScores(metric, outputs, clusters, new Sampler(seed, "interval"), (score) => score);
  return { value, n, interval: percentileInterval(resampled), how: howOf("bootstrap", clusters !== null) };
}

/** Interval of the weighted mean over tasks, each as higher is better: each task is resampled within itself. */
export function meanInterval(tasks: readonly TaskSamples[], seed: number): ScoreInterval {
  const scored = tasks.filter(({ outputs }) => outputs.labels.length > 0);
  if (scored.length === 0) return none(0);
  const parts = scored.map(({ task, weight, metric, outputs, clusters }) => ({
    weight,
    value: meritOf(metric, metric.score(outputs)),
    resampled: resampledScores(metric, outputs, clusters, new Sampler(seed, `mean/${task}`), (score) => meritOf(metric, score)),
  }));
  const { value, resampled } = weightedMean(parts);
  const clustered = scored.some(({ clusters }) => clusters !== null);
  const n = scored.reduce((sum, { outputs }) => sum + outputs.labels.length, 0);
  return { value, n, interval: percentileInterval(resampled), how: howOf("bootstrap, stratified by task", clustered) };
}

export interface ModelSamples {
  readonly id: string;
  readonly tasks: readonly TaskSamples[];
}

export type Verdict = "better" | "worse" | "open";

export interface PairedDifference {
  a: string;
  b: string;
  /** Task id, or "mean". */
  task: string;
  /** a − b */
  estimate: number;
  interval: Interval;
  verdict: Verdict;
  how: string;
}

/**
 * a − b on the very same samples, of scores as higher is better (of perplexities: their inverses), one a task and their weighted mean last.
 * Both hold the same tasks and samples in the same order. Seeded by seed, pair and task, so that any one of them can be had again alone.
 */
export function pairedDifferences(a: ModelSamples, b: ModelSamples, seed: number): PairedDifference[] {
  const parts = a.tasks.flatMap((own, t) => {
    const other = b.tasks[t];
    if (other === undefined || other.task !== own.task || other.outputs.labels.length !== own.outputs.labels.length) {
      throw new RangeError(`${a.id} and ${b.id} were not scored on the same samples of ${own.task}.`);
    }
    if (own.outputs.labels.length === 0) return [];
    const { task, weight, metric, clusters } = own;
    const value = meritOf(metric, metric.score(own.outputs)) - meritOf(metric, metric.score(other.outputs));
    const resampled = resampledDifferences(metric, own.outputs, other.outputs, clusters, new Sampler(seed, `difference/${a.id}/${b.id}/${task}`));
    return [{ task, weight, clustered: clusters !== null, value, resampled }];
  });
  if (parts.length === 0) return [];
  const said = (task: string, estimate: number, resampled: Float64Array, how: string): PairedDifference => {
    const interval = percentileInterval(resampled);
    return { a: a.id, b: b.id, task, estimate, interval, verdict: verdictOf(interval), how };
  };
  const whole = weightedMean(parts);
  return [
    ...parts.map(({ task, value, resampled, clustered }) => said(task, value, resampled, howOf("paired bootstrap", clustered))),
    said("mean", whole.value, whole.resampled, howOf("paired bootstrap, stratified by task", parts.some(({ clustered }) => clustered))),
  ];
}

/** "Better", "worse" and "regression" may be said only where the paired interval leaves out 0. */
export function verdictOf([low, high]: Interval): Verdict {
  if (low > 0) return "better";
  return high < 0 ? "worse" : "open";
}

function resampledScores(metric: Metric, outputs: Outputs, clusters: readonly string[] | null, sampler: Sampler, as: (score: number) => number): Float64Array {
  const n = outputs.labels.length;
  const { sample } = metric;
  if (sample !== null) return resampledMeans({ values: Float64Array.from({ length: n }, (_, i) => sample(outputs, i)), clusters }, sampler);
  return resampledStatistic(n, clusters, (indices) => as(metric.score(part(outputs, indices))), sampler);
}

function resampledDifferences(metric: Metric, a: Outputs, b: Outputs, clusters: readonly string[] | null, sampler: Sampler): Float64Array {
  const n = a.labels.length;
  const { sample } = metric;
  if (sample !== null) return resampledMeans({ values: Float64Array.from({ length: n }, (_, i) => sample(a, i) - sample(b, i)), clusters }, sampler);
  return resampledStatistic(n, clusters, (indices) => meritOf(metric, metric.score(part(a, indices))) - meritOf(metric, metric.score(part(b, indices))), sampler);
}

function weightedMean(parts: readonly { weight: number; value: number; resampled: Float64Array }[]) {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0);
  const resampled = new Float64Array(parts[0]?.resampled.length ?? 0);
  let value = 0;
  for (const one of parts) {
    const share = one.weight / total;
    value += share * one.value;
    for (let r = 0; r < resampled.length; r++) resampled[r] = (resampled[r] ?? 0) + share * (one.resampled[r] ?? 0);
  }
  return { value, resampled };
}

function howOf(what: string, clustered: boolean): string {
  return `${clustered ? "clustered " : ""}${what}, ${RESAMPLES}`;
}

/** For callers that have right-or-wrong only. */
export const accuracyOf = (correct: ArrayLike<number>): { metric: Metric; outputs: Outputs } => ({
  metric: metrics.accuracy,
  outputs: { labels: new Uint8Array(correct.length).fill(1), predictions: correct, logLikelihood: [], classes: 2 },
});
