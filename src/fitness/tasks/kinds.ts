/** Kinds of tasks of texts, and which metrics make sense of what each gives. */
import type { TextKind } from "../types.ts";
import type { MetricName } from "../metrics/table.ts";

interface KindFacts {
  /** The metric unless one is given first, then others that fit. */
  readonly metrics: readonly [MetricName, ...MetricName[]];
  /** Tokens generated at most, unless given. */
  readonly maxNewTokens: number;
}

export const KINDS: Readonly<Record<TextKind, KindFacts>> = {
  classification: { metrics: ["accuracy", "f1", "matthews", "log_likelihood"], maxNewTokens: 0 },
  regression: { metrics: ["spearman", "pearson"], maxNewTokens: 0 },
  multiple_choice: { metrics: ["multiple_choice", "multiple_choice_normalised", "multiple_choice_probability", "log_likelihood"], maxNewTokens: 0 },
  generation: { metrics: ["exact_match", "spearman", "pearson", "log_likelihood"], maxNewTokens: 32 },
  code: { metrics: ["pass_at_1"], maxNewTokens: 256 },
  likelihood: { metrics: ["perplexity", "log_likelihood"], maxNewTokens: 0 },
};

export const KIND_NAMES = Object.keys(KINDS) as [TextKind, ...TextKind[]];
