/**
 * Matthews correlation for any number of classes (Gorodkin 2004):
 * (c·s − Σ tₖpₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)); c right, s samples, tₖ labels and pₖ predictions of class k.
 * 0 where only one class is predicted or present.
 */
import type { Metric } from "./types.ts";

export const matthews: Metric = {
  title: "Matthews correlation",
  range: [-1, 1],
  labels: "classes",
  proportion: false,
  sample: null,
  score({ labels, predictions, classes }) {
    const n = labels.length;
    if (n === 0) return NaN;
    const t = new Float64Array(classes);
    const p = new Float64Array(classes);
    let c = 0;
    for (let i = 0; i < n; i++) {
      const [label, prediction] = [labels[i] ?? 0, predictions[i] ?? 0];
      t[label] = (t[label] ?? 0) + 1;
      p[prediction] = (p[prediction] ?? 0) + 1;
      if (label === prediction) c++;
    }
    let [tp, pp, tt] = [0, 0, 0];
    for (let k = 0; k < classes; k++) {
      const [a, b] = [t[k] ?? 0, p[k] ?? 0];
      tp += a * b;
      pp += b * b;
      tt += a * a;
    }
    const spread = Math.sqrt(n * n - pp) * Math.sqrt(n * n - tt);
    return spread === 0 ? 0 : (c * n - tp) / spread;
  },
};
