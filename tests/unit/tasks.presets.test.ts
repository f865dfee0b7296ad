import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { loadTextTask } from "../../src/fitness/tasks/load.ts";
import { PRESETS, PRESET_NAMES } from "../../src/fitness/tasks/presets/table.ts";
import { KINDS } from "../../src/fitness/tasks/kinds.ts";
import { isLabError } from "../../src/lib/error.ts";
import { presetTable } from "../../src/recipe/documentation.ts";
import { parseRecipe, type RecipeTask } from "../../src/recipe/schema.ts";
import { rowsOf } from "../fixtures/tasks/rows.ts";

/** Of a recipe whose one task is this. */
function parsed(task: Record<string, unknown>): RecipeTask {
  const [only] = parseRecipe({ murmuration: 1, base: { model: "a/b" }, experts: [{ id: "x", model: "a/c" }], tasks: [{ id: "task", optimise: 0, test: ["row-0"], ...task }], compare: [{ method: "linear" }] }).tasks;
  if (!only) throw new Error("no task");
  return only;
}

function problem(task: Record<string, unknown>): string {
  try {
    parsed(task);
  } catch (error) {
    if (isLabError(error, "bad-recipe")) return error.message;
    throw error;
  }
  return "";
}

/** The first sample of a preset over one row as its dataset has it. */
const asked = (preset: string, row: Record<string, unknown>, { head = null, more = {}, task = {} }: { head?: string[] | null; more?: object; task?: object } = {}) => {
  const { sides, texts, recipe } = loadTextTask(parsed({ preset, ...task }), rowsOf([row], {}, more), 1, head);
  return { sample: sides.test.samples[0], label: sides.test.labels[0], texts, recipe };
};

test("every preset stands in docs/tasks.md (run node docs/write.mjs)", () => {
  expect(readFileSync(new URL("../../docs/tasks.md", import.meta.url), "utf8")).toContain(presetTable());
});

describe("presets", () => {
  test.for(PRESET_NAMES)("%s is spelt out in a recipe, which then no longer needs it", (name) => {
    const source = PRESETS[name]?.source ? {} : { source: "./rows.jsonl" };
    const once = parsed({ preset: name, ...source });
    expect(once).not.toHaveProperty("preset");
    expect(once).toMatchObject(JSON.parse(JSON.stringify({ ...PRESETS[name]?.fields, ...(PRESETS[name]?.source ? { source: PRESETS[name]?.source } : {}) })) as object);
    expect(parsed({ ...once })).toEqual(once);
    expect(once.kind && KINDS[once.kind].metrics).toContain(once.metric);
  });

  test("what the task says counts over it; parts of its dataset may be said alone", () => {
    expect(parsed({ preset: "mmlu", source: { config: "anatomy" }, few_shot: 0 })).toMatchObject({ source: { dataset: "cais/mmlu", config: "anatomy", split: "test", shots: "dev" }, few_shot: 0 });
    expect(parsed({ preset: "mmlu", source: { dataset: "me/mmlu" } }).source).toEqual({ dataset: "me/mmlu" });
    expect(parsed({ preset: "gsm8k", source: "./sums.csv", max_new_tokens: 64 })).toMatchObject({ source: "./sums.csv", max_new_tokens: 64, extract: { after: "####" } });
    expect(problem({ preset: "gsm8" })).toBe('tasks.0.preset names "gsm8", which there is not; did you mean gsm8k?');
    expect(problem({ preset: "knowledge_crosswords" })).toBe("tasks.0.source is missing: it must say where the samples come from, since knowledge_crosswords is in no dataset of the Hub.");
    expect(problem({ preset: "gsm8k", metric: "accuracy" })).toMatch(/^tasks\.0\.metric is accuracy, which does not measure generation; there are exact_match, /);
    expect(problem({ preset: "mbpp", measure: "log_likelihood" })).toMatch(/measured by log_likelihood, but code is right when its tests pass/);
  });

  test("small benchmarks ask for no more than they have", () => {
    const rte = parsed({ preset: "glue_text/rte", test: undefined, optimise: undefined });
    expect(rte).toMatchObject({ optimise: 50, validate: 0, test: 100 });
    const rows = Array.from({ length: 277 }, () => ({ sentence1: "one", sentence2: "two", label: 0 }));
    for (const seed of [1, 2, 3]) expect(loadTextTask(rte, rowsOf(rows), seed, null).sides.test.count).toBe(100);
    expect(parsed({ preset: "glue_text/rte", test: 5 }).test).toBe(5);
    expect(parsed({ preset: "gsm8k", test: undefined }).test).toBe(500);
  });

  test("GLUE, both forms", () => {
    expect(asked("glue/mrpc", { sentence1: "one", sentence2: "two", label: 1 }, { head: ["equivalent", "not_equivalent"] })).toMatchObject({ sample: { prompt: "one", pair: "two" }, label: 0 });
    expect(asked("glue/stsb", { sentence1: "a", sentence2: "b", label: 3.8 }, { head: ["LABEL_0"] })).toMatchObject({ sample: { prompt: "a", pair: "b" }, label: 3.8 });
    expect(asked("glue_text/rte", { sentence1: "one", sentence2: "two", label: 0 }).sample).toEqual({ prompt: "Does the text: 'one' entail that 'two' is true? Provide 'yes' or 'no'.", answer: "yes" });
    expect(asked("glue_text/stsb", { sentence1: "one", sentence2: "two", label: 4 })).toMatchObject({ sample: { answer: "4.0" }, label: 4 });
  });

  test("MMLU: letters, five of the same subject", () => {
    const row = (i: number, subject: string) => ({ question: ` q${i} `, choices: ["w", "x", "y", "z"], answer: i % 4, subject });
    const shots = { rows: [...Array.from({ length: 6 }, (_, i) => row(i, "law")), row(9, "art")], id: Array.from({ length: 7 }, (_, i) => `row-${i}`) };
    const { sample } = asked("mmlu", row(2, "law"), { more: { shots } });
    expect(sample).toMatchObject({ choices: [" A", " B", " C", " D"], right: [2] });
    const parts = sample?.prompt.split("\n\n") ?? [];
    expect(parts).toHaveLength(6);
    expect(parts[1]).toBe("q1\nA. w\nB. x\nC. y\nD. z\nAnswer: B");
    expect(parts[5]).toBe("q2\nA. w\nB. x\nC. y\nD. z\nAnswer:");
  });

  test("HellaSwag: marks taken out, the second part begins large", () => {
    const { sample } = asked("hellaswag", { activity_label: "Baking", ctx_a: "[header] How to bake [title] Mix  it.", ctx_b: "she Stirs", endings: ["the [step] dough.", "b", "c", "d"], label: "0" });
    expect(sample).toEqual({ prompt: "Baking: How to bake. Mix it. She stirs", choices: [" the dough.", " b", " c", " d"], right: [0] });
    expect(asked("hellaswag", { activity_label: "Baking", ctx_a: "Mix it.", ctx_b: "", endings: ["a", "b", "c", "d"], label: "3" }).sample?.prompt).toBe("Baking: Mix it.");
  });

  test("TruthfulQA: several may be right", () => {
    const row = { question: "Why?", mc1_targets: { choices: ["a", "b"], labels: [0, 1] }, mc2_targets: { choices: ["a", "b", "c"], labels: [1, 0, 1] } };
    expect(asked("truthfulqa/mc1", row).sample?.right).toEqual([1]);
    const { sample } = asked("truthfulqa/mc2", row);
    expect(sample).toMatchObject({ choices: [" a", " b", " c"], right: [0, 2] });
    expect(sample?.prompt).toBe("Q: Why?\nA:");
  });

  test("ARC: keys are letters in some questions and numbers in others", () => {
    expect(asked("arc/easy", { question: "q", choices: { text: ["x", "y", "z"], label: ["1", "2", "3"] }, answerKey: "2" }).sample).toMatchObject({ choices: [" x", " y", " z"], right: [1] });
    expect(asked("arc/challenge", { question: "q", choices: { text: ["x", "y"], label: ["A", "B"] }, answerKey: "A" }).sample?.right).toEqual([0]);
  });

  test("GSM8K and Knowledge Crosswords", async () => {
    const shots = { rows: Array.from({ length: 5 }, () => ({ question: "1+1?", answer: "It is 2.\n#### 2" })), id: ["a", "b", "c", "d", "e"] };
    const { sample, texts } = asked("gsm8k", { question: "How much?", answer: "900 + 600\n#### 1,500" }, { more: { shots } });
    expect(sample?.prompt.startsWith("Question: 1+1?\nAnswer: It is 2.\n#### 2\n\nQuestion: 1+1?")).toBe(true);
    const right = async (text: string) => (await texts.judge(text, sample ?? { prompt: "" })).right;
    expect(await Promise.all([" so #### 1500", "#### $1,500.00 dollars", "1500", "#### 15000", "#### −1500"].map(right))).toEqual([true, true, false, false, false]);
    expect(asked("knowledge_crosswords", { question: "q", choices: { A: "1", B: "2", C: "3", D: "4" }, answer: "C" }, { task: { source: "./k.json" } }).sample).toMatchObject({ prompt: "Question: q\nA: 1\nB: 2\nC: 3\nD: 4\nThe answer is", right: [2] });
  });

  test("MBPP: the tests stand in the prompt and are run", () => {
    const { sample } = asked("mbpp", { text: "Add.", code: "def f(): pass", test_list: ["assert f(1)", "assert f(2)", "assert f(3)"], test_setup_code: "" }, { task: { few_shot: 0 } });
    expect(sample?.prompt).toMatch(/your task: Add\. Your code should pass these tests:\n\nassert f\(1\)\nassert f\(2\)\nassert f\(3\)\n\[BEGIN\]\n$/);
    expect(sample?.tests).toEqual(["assert f(1)", "assert f(2)", "assert f(3)"]);
  });
});
