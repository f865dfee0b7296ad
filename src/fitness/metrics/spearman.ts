/** Correlation of ranks; equal numbers share the mean of their ranks. */
import { correlation } from "./pearson.ts";
import type { Metric } from "./types.ts";

export function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from({ length: values.length }, (_, i) => i).sort((i, j) => (values[i] ?? 0) - (values[j] ?? 0) || i - j);
  const out = new Float64Array(values.length);
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && values[order[to] ?? 0] === values[order[from] ?? 0]) to++;
    for (let k = from; k < to; k++) out[order[k] ?? 0] = (from + 1 + to) / 2;
    from = Math.max(to, from + 1); // a NaN equals nothing, itself included
  }
  return out;
}

export const spearman: Metric = {
  title: "Spearman correlation",
  range: [-1, 1],
  labels: "numbers",
  proportion: false,
  sample: null,
  score: ({ labels, predictions }) => correlation(ranks(labels), ranks(predictions)),
};
