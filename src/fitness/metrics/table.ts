/** Every metric by the name a recipe gives it: one file and one line here. */
import { accuracy } from "./accuracy.ts";
import { exactMatch } from "./exact_match.ts";
import { f1 } from "./f1.ts";
import { logLikelihood } from "./log_likelihood.ts";
import { matthews } from "./matthews.ts";
import { multipleChoice, multipleChoiceNormalised } from "./multiple_choice.ts";
import { multipleChoiceProbability } from "./multiple_choice_probability.ts";
import { passAt1 } from "./pass_at_1.ts";
import { pearson } from "./pearson.ts";
import { perplexity } from "./perplexity.ts";
import { spearman } from "./spearman.ts";
import type { Metric } from "./types.ts";

const table = {
  accuracy, f1, matthews, pearson, spearman,
  exact_match: exactMatch,
  multiple_choice: multipleChoice,
  multiple_choice_normalised: multipleChoiceNormalised,
  multiple_choice_probability: multipleChoiceProbability,
  perplexity,
  pass_at_1: passAt1,
  log_likelihood: logLikelihood,
} as const;

export type MetricName = keyof typeof table;
export const metrics: Readonly<Record<MetricName, Metric>> = table;
export const METRIC_NAMES = Object.keys(table) as MetricName[];

/** Of a task; accuracy where neither recipe, source nor kind says another. */
export const metricOf = ({ metric }: { readonly metric?: MetricName | undefined }): Metric => metrics[metric ?? "accuracy"];
