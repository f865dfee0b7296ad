/**
 * F1 = 2·TP / (2·TP + FP + FN). Two classes: of class 1, as on GLUE. More: the plain mean over the classes that
 * occur as label or prediction (macro). A class that is nowhere right counts 0.
 */
import type { Metric } from "./types.ts";

export const f1: Metric = {
  title: "F1",
  range: [0, 1],
  labels: "classes",
  proportion: false,
  sample: null,
  score({ labels, predictions, classes }) {
    const right = new Float64Array(classes);
    const seen = new Float64Array(classes); // 2·TP + FP + FN: once a label, once a prediction
    for (let i = 0; i < labels.length; i++) {
      const [label, prediction] = [labels[i] ?? 0, predictions[i] ?? 0];
      seen[label] = (seen[label] ?? 0) + 1;
      seen[prediction] = (seen[prediction] ?? 0) + 1;
      if (label === prediction) right[label] = (right[label] ?? 0) + 1;
    }
    if (labels.length === 0) return NaN;
    const of = (k: number) => (seen[k] ? (2 * (right[k] ?? 0)) / (seen[k] ?? 1) : 0);
    if (classes === 2) return of(1);
    let sum = 0;
    let occurring = 0;
    for (let k = 0; k < classes; k++) {
      if (!seen[k]) continue;
      sum += of(k);
      occurring++;
    }
    return sum / occurring;
  },
};
