/**
 * Bootstrap of means: 10,000 resamples, percentile intervals of 95 %. Samples that share a source (a font, a document)
 * are drawn together, cluster by cluster. Values that are only −1, 0 or 1 are not drawn one by one: how often each
 * comes is multinomial, so that a resample costs the same whatever the number of samples.
 */
import { Binomial, type Sampler } from "./sampler.ts";
import type { Interval } from "./wilson.ts";

export const RESAMPLES = 10_000;

/** Values of one task's samples, in the samples' order; clusters in the same order, null when all are independent. */
export interface Stratum {
  readonly values: ArrayLike<number>;
  readonly clusters: readonly string[] | null;
}

export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ?? 0;
  return sum / values.length;
}

/** Means of `resamples` resamples of one stratum. */
export function resampledMeans({ values, clusters }: Stratum, sampler: Sampler, resamples = RESAMPLES): Float64Array {
  if (clusters !== null) return clusteredMeans(values, clusters, sampler, resamples);
  const counts = signCounts(values);
  return counts === null ? plainMeans(values, sampler, resamples) : signMeans(counts, values.length, sampler, resamples);
}

/** How many are 1 and −1, when nothing but −1, 0 and 1 occurs; else null. */
function signCounts(values: ArrayLike<number>): { plus: number; minus: number } | null {
  let [plus, minus] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    if (values[i] === 1) plus++;
    else if (values[i] === -1) minus++;
    else if (values[i] !== 0) return null;
  }
  return { plus, minus };
}

function signMeans({ plus, minus }: { plus: number; minus: number }, n: number, sampler: Sampler, resamples: number): Float64Array {
  const binomial = new Binomial(n, sampler);
  const out = new Float64Array(resamples);
  const moved = plus + minus;
  for (let r = 0; r < resamples; r++) {
    const unequal = binomial.draw(n, moved / n);
    const up = moved === 0 ? 0 : binomial.draw(unequal, plus / moved);
    out[r] = (2 * up - unequal) / n;
  }
  return out;
}

function plainMeans(values: ArrayLike<number>, sampler: Sampler, resamples: number): Float64Array {
  const n = values.length;
  const held = Float64Array.from(values);
  const out = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += held[sampler.int(n)] ?? 0;
    out[r] = sum / n;
  }
  return out;
}

/** Clusters are drawn whole; sums over sizes, since clusters differ in size. */
function clusteredMeans(values: ArrayLike<number>, clusters: readonly string[], sampler: Sampler, resamples: number): Float64Array {
  const place = new Map<string, number>();
  for (const cluster of clusters) if (!place.has(cluster)) place.set(cluster, place.size);
  const sums = new Float64Array(place.size);
  const sizes = new Float64Array(place.size);
  clusters.forEach((cluster, i) => {
    const k = place.get(cluster) ?? 0;
    sums[k] = (sums[k] ?? 0) + (values[i] ?? 0);
    sizes[k] = (sizes[k] ?? 0) + 1;
  });
  const out = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let [sum, size] = [0, 0];
    for (let i = 0; i < place.size; i++) {
      const k = sampler.int(place.size);
      sum += sums[k] ?? 0;
      size += sizes[k] ?? 0;
    }
    out[r] = sum / size;
  }
  return out;
}

/** Resamples of any statistic of sample indices (F1, correlations), computed anew each time. `indices` is reused. */
export function resampledStatistic(
  n: number, clusters: readonly string[] | null, statistic: (indices: readonly number[]) => number, sampler: Sampler, resamples = RESAMPLES,
): Float64Array {
  const groups = new Map<string, number[]>();
  for (let i = 0; i < n; i++) {
    const key = clusters?.[i] ?? `#${i}`;
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  }
  const all = [...groups.values()];
  const indices: number[] = [];
  return Float64Array.from({ length: resamples }, () => {
    indices.length = 0;
    for (let k = 0; k < all.length; k++) for (const i of all[sampler.int(all.length)] ?? []) indices.push(i);
    return statistic(indices);
  });
}

/** The middle 95 % of resamples, linear between order statistics. */
export function percentileInterval(resampled: Float64Array, level = 0.95): Interval {
  const sorted = resampled.slice().sort();
  const at = (share: number) => {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    const [a, b] = [sorted[low] ?? NaN, sorted[Math.min(low + 1, sorted.length - 1)] ?? NaN];
    return a + (b - a) * (place - low);
  };
  return [at((1 - level) / 2), at((1 + level) / 2)];
}
