/** ARC (Clark et al. 2018): questions of science at school, three to five choices, by log-likelihood a character. */
import type { Preset } from "./preset.ts";

const preset = (config: string): Preset => ({
  about: `${config}: the likeliest answer, divided by its length`,
  source: { dataset: "allenai/ai2_arc", config, split: "test", shots: "train" },
  fields: {
    kind: "multiple_choice",
    metric: "multiple_choice_normalised",
    prompt: "Question: {{question}}\nAnswer:",
    choices: " {{choices.text}}",
    answer: "{{answerKey}}",
    labels: "{{choices.label}}",
  },
});

export const arc: Readonly<Record<string, Preset>> = { "arc/easy": preset("ARC-Easy"), "arc/challenge": preset("ARC-Challenge") };
