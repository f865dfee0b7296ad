/** GSM8K (Cobbe et al. 2021): worked sums; what counts is the number behind ####. Five examples from the split for training. */
import type { Preset } from "./preset.ts";

export const gsm8k: Readonly<Record<string, Preset>> = {
  gsm8k: {
    about: "GSM8K: sums in words, the number behind ####, five examples",
    source: { dataset: "openai/gsm8k", config: "main", split: "test", shots: "train" },
    fields: {
      kind: "generation",
      metric: "exact_match",
      prompt: "Question: {{question}}\nAnswer:",
      answer: " {{answer}}",
      few_shot: 5,
      extract: { after: "####" },
      max_new_tokens: 256,
      stop: ["\n\n", "Question:"],
    },
  },
};
