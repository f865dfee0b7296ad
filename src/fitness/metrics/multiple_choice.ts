/** Share of samples whose likeliest choice is right: by the whole choice (`acc` elsewhere), or divided by its characters (`acc_norm`). */
import type { ChoiceScores } from "../types.ts";
import { meanOver, type Metric, type Outputs } from "./types.ts";

/** The first of equals, as everywhere. −1: there is none. */
export function likeliest({ sums, lengths }: ChoiceScores, normalised: boolean): number {
  let [best, at] = [-Infinity, -1];
  sums.forEach((sum, c) => {
    const value = normalised ? sum / Math.max(1, lengths[c] ?? 1) : sum;
    if (value > best) [best, at] = [value, c];
  });
  return at;
}

export const rightOf = ({ labels, right }: Outputs, i: number): readonly number[] => right?.[i] ?? [labels[i] ?? NaN];

function byChoice(title: string, normalised: boolean): Metric {
  const predict = ({ choices, predictions }: Outputs, i: number) => {
    const scores = choices?.[i];
    return scores ? likeliest(scores, normalised) : (predictions[i] ?? NaN);
  };
  const sample = (outputs: Outputs, i: number) => (rightOf(outputs, i).includes(predict(outputs, i)) ? 1 : 0);
  return { title, range: [0, 1], labels: "classes", proportion: true, predict, sample, score: (outputs) => meanOver(outputs.labels.length, (i) => sample(outputs, i)) };
}

export const multipleChoice = byChoice("Multiple choice", false);
export const multipleChoiceNormalised = byChoice("Multiple choice, by length", true);
