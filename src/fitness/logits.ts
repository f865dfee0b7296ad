/** Logits to predictions: arg max (the first of equals), log-softmax of the true label, and the margin of the decision. */
import type { SampleScores } from "./types.ts";

/**
 * Reads `labels.length` rows of `classes` logits into `scores`, starting at sample `at`.
 * Returns false when a logit is not a finite number.
 */
export function readLogits(
  logits: Float32Array,
  classes: number,
  labels: Int32Array,
  scores: Pick<SampleScores, "predictions" | "correct" | "logLikelihood" | "margin">,
  at: number,
): boolean {
  let finite = true;
  for (let row = 0; row < labels.length; row++) {
    const begin = row * classes;
    let best = -1;
    let first = -Infinity;
    let second = -Infinity;
    for (let c = 0; c < classes; c++) {
      const value = logits[begin + c];
      if (!Number.isFinite(value)) finite = false;
      if (value > first) {
        second = first;
        first = value;
        best = c;
      } else if (value > second) second = value;
    }
    let sum = 0;
    for (let c = 0; c < classes; c++) sum += Math.exp(logits[begin + c] - first);
    const label = labels[row];
    scores.predictions[at + row] = best;
    scores.correct[at + row] = best === label ? 1 : 0;
    scores.logLikelihood[at + row] = logits[begin + label] - first - Math.log(sum);
    scores.margin[at + row] = classes > 1 ? first - second : Infinity;
  }
  return finite;
}

/** Probabilities of one row of logits. */
export function softmax(logits: Float32Array): Float32Array {
  const highest = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = logits.map((value) => Math.exp(value - highest));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}
