/** Numbers and durations as people read them. Scores are 0–1 inside, per cent and points outside. */
import { METRICS } from "../index.ts";

export const percent = (value: number, digits = 1): string => `${(value * 100).toFixed(digits)} %`;

/** A score as its metric is read: a share as per cent, what may be any number in three digits, else three decimals. */
export function value(of: number, metric: string | null = "accuracy"): string {
  if (isShare(metric)) return percent(of);
  return isBounded(metric) ? score(of) : of.toPrecision(3);
}

/** Difference of two such scores: in points of a hundred, or as it is. */
export function difference(of: number, metric: string | null = "accuracy"): string {
  if (isShare(metric)) return points(of);
  return `${of < 0 ? "−" : "+"}${isBounded(metric) ? Math.abs(of).toFixed(3) : Math.abs(of).toPrecision(3)}`;
}

/** What a mean over tasks is read as: as they are, where all are alike or shares; else null. */
export function meanMetric(metrics: readonly string[]): string | null {
  const [first] = metrics;
  return first !== undefined && metrics.every((metric) => metric === first || (isShare(metric) && isShare(first))) ? first : null;
}

/** null: a mean over tasks of different metrics, each from −1 to 1. */
export const isShare = (metric: string | null): boolean => metric !== null && (METRICS[metric]?.share ?? true);
export const isBounded = (metric: string | null): boolean => metric === null || Number.isFinite(METRICS[metric]?.range[1] ?? 1);

/** Difference of two scores in points, with a true minus sign. */
export function points(difference: number, digits = 1): string {
  const text = Math.abs(difference * 100).toFixed(digits);
  return Number(text) === 0 ? text : `${difference < 0 ? "−" : "+"}${text}`;
}

export const score = (value: number): string => (Number.isFinite(value) ? value.toFixed(3).replace("-", "−") : "–");

export function bytes(count: number): string {
  if (count < 1000) return `${Math.round(count)} B`;
  if (count < 1_000_000) return `${(count / 1000).toFixed(count < 10_000 ? 1 : 0)} kB`;
  if (count < 1e9) return `${(count / 1e6).toFixed(count < 1e8 ? 1 : 0)} MB`;
  return `${(count / 1e9).toFixed(count < 1e11 ? 1 : 0)} GB`;
}

export function seconds(count: number): string {
  if (count < 1) return "under 1 s";
  if (count < 100) return `${Math.round(count)} s`;
  return count < 6000 ? `${Math.round(count / 60)} min` : `${(count / 3600).toFixed(1)} h`;
}

export function parameters(count: number): string {
  if (count >= 1e9) return `${(count / 1e9).toFixed(1)} B weights`;
  return count >= 1e5 ? `${(count / 1e6).toFixed(count < 1e7 ? 2 : 0)} M weights` : `${Math.round(count / 1000)} k weights`;
}

/** "a, b and c" */
export function list(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}
