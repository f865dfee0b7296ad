/** MMLU (Hendrycks et al. 2021): four lettered choices, five examples of the same subject from the split made for it. `config` names one of its 57 subjects. */
import type { Preset } from "./preset.ts";

export const mmlu: Readonly<Record<string, Preset>> = {
  mmlu: {
    about: "MMLU, all subjects or the one that config names: the likeliest letter, five examples",
    source: { dataset: "cais/mmlu", config: "all", split: "test", shots: "dev" },
    fields: {
      kind: "multiple_choice",
      metric: "multiple_choice",
      prompt: "{{question | trim}}\nA. {{choices.0}}\nB. {{choices.1}}\nC. {{choices.2}}\nD. {{choices.3}}\nAnswer:",
      choices: [" A", " B", " C", " D"],
      answer: "{{answer}}",
      few_shot: 5,
      few_shot_by: "subject",
    },
  },
};
