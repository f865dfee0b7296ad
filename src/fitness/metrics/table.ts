/** Every metric by the name a recipe gives it: one file and one line here. */
import { accuracy } from "./accuracy.ts";
import { f1 } from "./f1.ts";
import { logLikelihood } from "./log_likelihood.ts";
import { matthews } from "./matthews.ts";
import { pearson } from "./pearson.ts";
import { spearman } from "./spearman.ts";
import type { Metric } from "./types.ts";

const table = { accuracy, f1, matthews, pearson, spearman, log_likelihood: logLikelihood } as const;

export type MetricName = keyof typeof table;
export const metrics: Readonly<Record<MetricName, Metric>> = table;
export const METRIC_NAMES = Object.keys(table) as MetricName[];

/** Metrics of the format that this version does not have yet. */
export const PLANNED_METRICS = ["exact_match", "multiple_choice", "multiple_choice_normalised", "perplexity", "pass_at_1"];
