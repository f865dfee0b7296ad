/**
 * 1 − nats / ln(classes), a sample: 1 is certain and right, 0 a uniform guess, below 0 worse than guessing.
 * Tasks with different numbers of classes share this scale.
 */
import { meanOver, type Metric, type Outputs } from "./types.ts";

const sample = ({ logLikelihood, classes }: Outputs, i: number) => 1 + (logLikelihood[i] ?? NaN) / Math.log(classes);

export const logLikelihood: Metric = {
  title: "Log-likelihood",
  range: [-Infinity, 1],
  labels: "classes",
  proportion: false,
  sample,
  score: (outputs) => meanOver(outputs.labels.length, (i) => sample(outputs, i)),
};
