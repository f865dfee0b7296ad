/** exp(mean nats a token), over the tokens of all samples together: lower is better. Its inverse is the geometric mean of a token's probability. */
import type { Metric } from "./types.ts";

export const perplexity: Metric = {
  title: "Perplexity",
  range: [1, Infinity],
  labels: "classes",
  merit: (value) => 1 / value,
  proportion: false,
  sample: null,
  score({ labels, logLikelihood, tokens }) {
    let [nats, count] = [0, 0];
    for (let i = 0; i < labels.length; i++) {
      nats -= logLikelihood[i] ?? NaN;
      count += tokens?.[i] ?? NaN;
    }
    return Math.exp(nats / count);
  },
};
