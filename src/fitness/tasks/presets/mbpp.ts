/** MBPP (Austin et al. 2021): a function from its description, run against three tests. The prompt is the paper's; three examples from the split made for it. */
import type { Preset } from "./preset.ts";

export const mbpp: Readonly<Record<string, Preset>> = {
  mbpp: {
    about: "MBPP: short Python functions, run against their tests in a sandbox, three examples",
    source: { dataset: "google-research-datasets/mbpp", config: "full", split: "test", shots: "prompt" },
    counts: { test: 200 },
    fields: {
      kind: "code",
      metric: "pass_at_1",
      prompt: "You are an expert Python programmer, and here is your task: {{text}} Your code should pass these tests:\n\n{{test_list.0}}\n{{test_list.1}}\n{{test_list.2}}\n[BEGIN]\n",
      answer: "{{code}}\n[DONE]",
      tests: ["{{test_setup_code}}", "{{test_list}}"],
      few_shot: 3,
      extract: "code",
      max_new_tokens: 256,
      stop: ["[DONE]"],
    },
  },
};
