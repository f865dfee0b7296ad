/** Linear correlation of predicted and true numbers; 0 where one of them never varies. */
import { meanOver, type Metric } from "./types.ts";

export function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const n = a.length;
  if (n === 0) return NaN;
  const meanA = meanOver(n, (i) => a[i] ?? NaN);
  const meanB = meanOver(n, (i) => b[i] ?? NaN);
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const x = (a[i] ?? NaN) - meanA;
    const y = (b[i] ?? NaN) - meanB;
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  const spread = Math.sqrt(aa) * Math.sqrt(bb);
  if (spread === 0) return 0;
  return Math.max(-1, Math.min(1, ab / spread)); // rounding may pass 1 by an ulp
}

export const pearson: Metric = {
  title: "Pearson correlation",
  range: [-1, 1],
  labels: "numbers",
  proportion: false,
  sample: null,
  score: ({ labels, predictions }) => correlation(labels, predictions),
};
