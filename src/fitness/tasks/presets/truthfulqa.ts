/**
 * TruthfulQA (Lin et al. 2022). MC1: the likeliest answer is the right one. MC2: the share of probability that all true answers have together.
 * The authors put six examples of their own in front; they are not shipped here: give them in `few_shot` where scores are to be held against theirs.
 */
import type { Preset } from "./preset.ts";

const preset = (targets: "mc1_targets" | "mc2_targets", about: string, metric: "multiple_choice" | "multiple_choice_probability"): Preset => ({
  about,
  source: { dataset: "truthfulqa/truthful_qa", config: "multiple_choice", split: "validation" },
  counts: { test: 300 },
  fields: {
    kind: "multiple_choice",
    metric,
    prompt: "Q: {{question}}\nA:",
    choices: ` {{${targets}.choices}}`,
    answer: `{{${targets}.labels}}`,
  },
});

export const truthfulqa: Readonly<Record<string, Preset>> = {
  "truthfulqa/mc1": preset("mc1_targets", "TruthfulQA MC1: the likeliest answer is the true one", "multiple_choice"),
  "truthfulqa/mc2": preset("mc2_targets", "TruthfulQA MC2: probability of all true answers", "multiple_choice_probability"),
};
