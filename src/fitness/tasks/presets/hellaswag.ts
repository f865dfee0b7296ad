/** HellaSwag (Zellers et al. 2019): which sentence goes on, by log-likelihood a character. Marks of the texts from WikiHow are taken out. Test answers are secret. */
import type { Preset } from "./preset.ts";

export const hellaswag: Readonly<Record<string, Preset>> = {
  hellaswag: {
    about: "HellaSwag: the likeliest of four endings, divided by its length",
    source: { dataset: "Rowan/hellaswag", config: "default", split: "validation" },
    fields: {
      kind: "multiple_choice",
      metric: "multiple_choice_normalised",
      prompt: "{{activity_label}}: {{ctx_a}} {{ctx_b | capitalise}}",
      choices: " {{endings}}",
      answer: "{{label}}",
      clean: ["brackets"],
    },
  },
};
