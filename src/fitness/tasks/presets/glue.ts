/**
 * GLUE (Wang et al. 2019), eight tasks in two forms. `glue/…`: an encoder with a head, by GLUE's own metric. `glue_text/…`: text to text, with the
 * prompts that published Flan-T5 experts were fine-tuned with (FusionBench, Tang et al. 2024, spelling included), by exact match of the
 * label's word; for STS-B by Spearman's correlation of the number that is written. Its test split keeps the answers secret.
 */
import type { MetricName } from "../../metrics/table.ts";
import type { Preset } from "./preset.ts";

interface GlueTask {
  readonly what: string;
  readonly split?: string;
  /** Of some hundred rows a side has fewer than the usual 500. */
  readonly test?: number;
  readonly metric: MetricName;
  /** What a classifier reads. */
  readonly texts: readonly [string] | readonly [string, string];
  /** Classes in the dataset's order; none: a number. */
  readonly classes: readonly string[];
  readonly prompt: string;
  /** Words for the classes. */
  readonly words: readonly string[];
}

const TASKS: Readonly<Record<string, GlueTask>> = {
  cola: {
    what: "is a sentence grammatical", test: 400, metric: "matthews", texts: ["sentence"], classes: ["unacceptable", "acceptable"], words: ["unacceptable", "acceptable"],
    prompt: `Indicate if the following sentence is grammatically correct or not: "{{sentence}}". Answere 'acceptable' or 'unacceptable'.`,
  },
  mnli: {
    what: "does a premise entail a hypothesis", split: "validation_matched", metric: "accuracy", texts: ["premise", "hypothesis"], classes: ["entailment", "neutral", "contradiction"], words: ["entailment", "neutral", "contradiction"],
    prompt: "Does the premise: '{{premise}}' logically imply, contradict, or is neutral to the hypothesis: '{{hypothesis}}'? Answere with 'entailment', 'contradiction', or 'neutral'.",
  },
  mrpc: {
    what: "do two sentences say the same", test: 150, metric: "f1", texts: ["sentence1", "sentence2"], classes: ["not_equivalent", "equivalent"], words: ["no", "yes"],
    prompt: "Are the following sentences '{{sentence1}}' and '{{sentence2}}' conveying the same meaning? Answere with 'yes' or 'no'.",
  },
  qnli: {
    what: "does a sentence answer a question", metric: "accuracy", texts: ["question", "sentence"], classes: ["entailment", "not_entailment"], words: ["yes", "no"],
    prompt: "Given the context: '{{sentence}}', does the question '{{question}}' have an answer based on the information provided? Answer with 'yes' or 'no'.",
  },
  qqp: {
    what: "do two questions ask the same", metric: "f1", texts: ["question1", "question2"], classes: ["not_duplicate", "duplicate"], words: ["no", "yes"],
    prompt: "Do the questions '{{question1}}' and '{{question2}}' have the same intent? Answere with 'yes' or 'no'.",
  },
  rte: {
    what: "does a text entail a sentence", test: 100, metric: "accuracy", texts: ["sentence1", "sentence2"], classes: ["entailment", "not_entailment"], words: ["yes", "no"],
    prompt: "Does the text: '{{sentence1}}' entail that '{{sentence2}}' is true? Provide 'yes' or 'no'.",
  },
  sst2: {
    what: "is a review positive", test: 350, metric: "accuracy", texts: ["sentence"], classes: ["negative", "positive"], words: ["negative", "positive"],
    prompt: "Given the sentence '{{sentence}}', determine the sentiment. Is it positive or negative?",
  },
  stsb: {
    what: "how alike are two sentences", metric: "spearman", texts: ["sentence1", "sentence2"], classes: [], words: [],
    prompt: "Consider the sentences '{{sentence1}}' and '{{sentence2}}'. On a scale from 1 (completely different) to 5 (completely similar), rate the similarity.",
  },
};

const source = (config: string, { split = "validation" }: GlueTask) => ({ dataset: "nyu-mll/glue", config, split });
const counts = ({ test }: GlueTask) => (test === undefined ? {} : { counts: { test } });

const asClasses = (name: string, task: GlueTask): Preset => ({
  about: `GLUE ${name}, ${task.what}: an encoder with a head`,
  source: source(name, task),
  ...counts(task),
  fields: {
    kind: task.classes.length > 0 ? "classification" : "regression",
    metric: task.metric,
    prompt: `{{${task.texts[0]}}}`,
    ...(task.texts[1] === undefined ? {} : { pair: `{{${task.texts[1]}}}` }),
    answer: "{{label}}",
    ...(task.classes.length > 0 ? { labels: task.classes } : {}),
  },
});

const asText = (name: string, task: GlueTask): Preset => ({
  about: `GLUE ${name}, ${task.what}: text to text, as published Flan-T5 experts are asked`,
  source: source(name, task),
  ...counts(task),
  fields: {
    kind: "generation",
    metric: task.words.length > 0 ? "exact_match" : "spearman",
    prompt: task.prompt,
    answer: task.words.length > 0 ? "{{label}}" : "{{label | tenths}}",
    ...(task.words.length > 0 ? { labels: task.words } : {}),
    max_new_tokens: 10,
  },
});

export const glue: Readonly<Record<string, Preset>> = Object.fromEntries(
  Object.entries(TASKS).flatMap(([name, task]) => [[`glue/${name}`, asClasses(name, task)], [`glue_text/${name}`, asText(name, task)]]),
);
