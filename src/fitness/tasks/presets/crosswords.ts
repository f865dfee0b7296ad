/** Knowledge Crosswords (Ding et al. 2024): which set of names fits all facts. It is published as a file, with choices by letter: the task's source names that. */
import type { Preset } from "./preset.ts";

export const crosswords: Readonly<Record<string, Preset>> = {
  knowledge_crosswords: {
    about: "Knowledge Crosswords, from a file of one's own: the likeliest letter",
    fields: {
      kind: "multiple_choice",
      metric: "multiple_choice",
      prompt: "Question: {{question}}\nA: {{choices.A}}\nB: {{choices.B}}\nC: {{choices.C}}\nD: {{choices.D}}\nThe answer is",
      choices: [" A", " B", " C", " D"],
      answer: "{{answer}}",
    },
  },
};
