/**
 * 1 − nats / nats of a uniform guess, over all samples: 1 is certain and right, 0 a uniform guess, below 0 worse than guessing. The guess is
 * ln(classes), ln(choices), or ln(vocabulary) a token of a text. Tasks with different numbers of classes share this scale.
 */
import { meanOver, type Metric } from "./types.ts";

export const logLikelihood: Metric = {
  title: "Log-likelihood",
  range: [-Infinity, 1],
  labels: "classes",
  proportion: false,
  sample: null,
  score({ labels, logLikelihood, classes, uniform }) {
    const n = labels.length;
    if (!uniform) return meanOver(n, (i) => 1 + (logLikelihood[i] ?? NaN) / Math.log(classes));
    return 1 + meanOver(n, (i) => logLikelihood[i] ?? NaN) / meanOver(n, (i) => uniform[i] ?? NaN);
  },
};
