import { describe, expect, test } from "vitest";
import { loadTextTask } from "../../src/fitness/tasks/load.ts";
import { neverMatches } from "../../src/fitness/tasks/never.ts";
import type { SampleScores } from "../../src/fitness/types.ts";
import { isLabError } from "../../src/lib/error.ts";
import { rowsOf, taskOf } from "../fixtures/tasks/rows.ts";

const refusal = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (isLabError(error)) return error.message;
    throw error;
  }
  return "";
};
const ten = <T>(make: (i: number) => T) => Array.from({ length: 10 }, (_, i) => make(i));
/** All ten, in order, on the test side. */
const all = { test: ten((i) => `row-${i}`) };

describe("a task of texts", () => {
  test("what a bundled set tells: prompts as they are, its kind, metric and length", () => {
    const source = rowsOf(ten((i) => ({ prompt: `sums ${i}+1`, answer: String(i + 1), source: `s${i % 5}` })), { kind: "generation", metric: "exact_match", maxNewTokens: 8 });
    const { texts, sides, recipe, labels } = loadTextTask(taskOf(all), source, 1, null);
    expect(texts).toMatchObject({ kind: "generation", maxNewTokens: 8, stop: [] });
    expect(sides.test.samples[3]).toEqual({ prompt: "sums 3+1", answer: "4" });
    expect([...sides.test.labels]).toEqual(ten(() => 1));
    expect(sides.test.clusters?.slice(0, 2)).toEqual(["=s0", "=s1"]);
    expect(labels).toEqual([]);
    expect(recipe).toMatchObject({ kind: "generation", metric: "exact_match", extract: "text", max_new_tokens: 8 });
  });

  test("spelt out it is itself a recipe's task, and asks the very same", () => {
    const source = rowsOf(ten((i) => ({ q: `${i}?`, a: `x #### ${i}` })));
    const once = loadTextTask(taskOf({ ...all, prompt: "Q: {{q}}", answer: "{{a}}", extract: { after: "####" }, few_shot: [{ q: "0?", a: "0" }] }), source, 1, null);
    const again = loadTextTask(taskOf(JSON.parse(JSON.stringify(once.recipe)) as Record<string, unknown>), source, 1, null);
    expect(again.sides).toEqual(once.sides);
    expect(again.recipe).toEqual(once.recipe);
    // Of a dataset whose configuration and split were found.
    const rows = rowsOf(Array.from({ length: 200 }, (_, i) => ({ text: `t${i}`, answer: "a" })), {}, { found: { config: "default", split: "test", total: 200, revision: "0".repeat(40) } });
    const found = loadTextTask(taskOf({ source: { dataset: "a/b" }, test: 50 }), rows, 1, null);
    expect(found.recipe.source).toEqual({ dataset: "a/b", config: "default", split: "test", revision: "0".repeat(40) });
    expect(loadTextTask(taskOf({ ...found.recipe }), rows, 1, null).sides.test.ids).toEqual(found.sides.test.ids);
  });

  test("labels become the head's classes by name, by the names of their numbers, or in order where the head has none", () => {
    const by = (answers: unknown[], head: string[], told = {}, task = {}) =>
      [...loadTextTask(taskOf({ test: answers.map((_, i) => `row-${i}`), head: "a", ...task }), rowsOf(answers.map((label) => ({ text: "t", label })), told), 1, head).sides.test.labels];
    expect(by(["no", "Yes", " yes "], ["yes", "no"])).toEqual([1, 0, 0]);
    expect(by([0, 1], ["yes", "no"], { labels: { label: ["no", "yes"] } })).toEqual([1, 0]);
    expect(by([0, 1], ["yes", "no"], {}, { labels: ["no", "yes"] })).toEqual([1, 0]);
    expect(by([0, "1"], ["LABEL_0", "LABEL_1"])).toEqual([0, 1]);
    expect(by([0, 1], ["LABEL_0", "LABEL_1"], { labels: { label: ["no", "yes"] } })).toEqual([0, 1]);
    expect(refusal(() => by(["no", "perhaps"], ["yes", "no"]))).toMatch(/sample row-1 has the label "perhaps", which its head does not know\. The head knows yes and no/);
    expect(refusal(() => by([0, 2], ["yes", "no"]))).toMatch(/row-1 has the label 2/);
  });

  test("right choices: a position, the text itself, a letter, names of its own, or marks", () => {
    const choices = ["red", "green", "blue"];
    const right = (answer: unknown, task = {}, more = {}) =>
      loadTextTask(taskOf({ test: ["row-0"], choices: " {{choices}}", ...task }), rowsOf([{ prompt: "p", choices, answer, ...more }]), 1, null).sides.test.samples[0]?.right;
    expect(right(2)).toEqual([2]);
    expect(right("green")).toEqual([1]);
    expect(right("C")).toEqual([2]);
    expect(right("1")).toEqual([1]);
    expect(right([0, 1, 1])).toEqual([1, 2]);
    expect(right("2", { labels: "{{keys}}" }, { keys: ["1", "2", "3"] })).toEqual([1]);
    expect(refusal(() => right("mauve"))).toMatch(/answer of sample row-0 is "mauve", which is none of its 3 choices \("red", "green", "blue"\)/);
    expect(refusal(() => right(7))).toMatch(/is 7, which is none of its 3 choices/);
  });

  test("rows that say nothing are left out and counted; the sides of the others stay", () => {
    const rows = ten((i) => ({ prompt: i === 4 ? "  " : `p${i}`, answer: i === 7 ? null : "a" }));
    const { warnings, sides } = loadTextTask(taskOf({ test: ["row-5", "row-6"] }), rowsOf(rows), 1, null);
    expect(warnings).toEqual([{ code: "rows-skipped", message: "Task task leaves out rows of its source: 1 of them without prompt (row-4 is the first), 1 of them without answer (row-7 is the first)." }]);
    expect(sides.test.samples.map(({ prompt }) => prompt)).toEqual(["p5", "p6"]);
    expect(refusal(() => loadTextTask(taskOf({ head: "a" }), rowsOf(ten(() => ({ text: "t", label: -1 }))), 1, ["no", "yes"]))).toMatch(/no row can be asked, 10 of them without answer .* keep their answers secret/);
  });

  test("a column that is not there is named, with those that are", () => {
    const rows = rowsOf(ten(() => ({ question: "q", reply: "r" })));
    expect(refusal(() => loadTextTask(taskOf({ prompt: "{{qestion}}", answer: "{{reply}}" }), rows, 1, null))).toBe('The prompt of task task names the column "qestion", which its samples do not have; did you mean question? There are question and reply.');
    expect(refusal(() => loadTextTask(taskOf({}), rows, 1, null))).toMatch(/no column prompt or text, and prompt does not say what to take\. There are question and reply/);
    expect(refusal(() => loadTextTask(taskOf({ columns: { text: "body" } }), rows, 1, null))).toMatch(/columns says that text is body, but its samples have no such column/);
  });
});

describe("few-shot examples", () => {
  const rows = Array.from({ length: 400 }, (_, i) => ({ prompt: `p${i}=`, answer: String(i), topic: i % 2 }));
  const source = rowsOf(rows, { kind: "generation" });
  const load = (task: object) => loadTextTask(taskOf({ few_shot: 3, ...task }), source, 1, null);

  test("come from samples on no side, and no count changes which they are", () => {
    const some = load({ optimise: 20, validate: 10, test: 30 });
    const more = load({ optimise: 60, validate: 40, test: 120 });
    const shots = (prompt = "") => prompt.split("\n\n").slice(0, -1);
    expect(shots(some.sides.test.samples[0]?.prompt)).toEqual(shots(more.sides.optimise.samples[0]?.prompt));
    expect(shots(some.sides.test.samples[0]?.prompt)).toHaveLength(3);
    const shown = shots(some.sides.test.samples[0]?.prompt);
    const asked = Object.values(more.sides).flatMap((side) => side.samples.map(({ prompt, answer }) => (prompt.split("\n\n").at(-1) ?? "") + (answer ?? "")));
    expect(shown.filter((one) => asked.includes(one))).toEqual([]);
  });

  test("are of the sample's own subject where that is asked for", () => {
    const { sides } = load({ test: 40, few_shot_by: "topic" });
    for (const { prompt } of sides.test.samples) {
      const parity = [...prompt.matchAll(/p(\d+)=/g)].map(([, number]) => Number(number) % 2);
      expect(new Set(parity).size).toBe(1);
    }
  });

  test("as they stand in the recipe; too many are refused", () => {
    expect(load({ test: 1, few_shot: [{ prompt: "1+1=", answer: "2" }], separator: "|" }).sides.test.samples[0]?.prompt).toMatch(/^1\+1=2\|p\d+=$/);
    expect(refusal(() => load({ optimise: 90, test: 1, few_shot: 30 }))).toMatch(/asks for 30 few-shot examples, but \d+ rows are on no side/);
  });
});

describe("a task on which nobody is ever right", () => {
  const rows = rowsOf(ten((i) => ({ prompt: `p${i}`, answer: `so #### ${i}` })));
  const scores = (texts: string[] | null, correct: number[]): SampleScores => ({
    predictions: Float64Array.from(correct), correct: Uint8Array.from(correct), logLikelihood: new Float64Array(correct.length).fill(NaN), margin: new Float64Array(correct.length),
    uniform: null, tokens: null, choices: null, texts, finite: true,
  });
  const warned = (task: object, ...models: SampleScores[]) => {
    const loaded = loadTextTask(taskOf({ test: ["row-3", "row-4"], ...task }), rows, 1, null);
    return neverMatches({ ...loaded, id: "sums" }, loaded.sides.test, models.map((one, i) => ({ id: i === 0 ? "base" : "a", scores: one })))?.message;
  };

  test("is warned of, with what was said, read and wanted", () => {
    const wrong = scores(["three", "four"], [0, 0]);
    expect(warned({}, wrong, wrong)).toBe('Task sums: none of 2 models was right on any of 2 samples. base said "three" where "so #### 3" was wanted (sample row-3). Look at prompt, extract, ignore and max_new_tokens of the task.');
    expect(warned({ extract: { after: "####" } }, wrong)).toMatch(/base said "three", of which nothing could be read, where/);
    expect(warned({ extract: "last_number" }, scores(["1 or 2", ""], [0, 0]))).toMatch(/base said "1 or 2", read as "2", where/);
    expect(warned({}, wrong, scores(["three", "so #### 4"], [0, 1]))).toBeUndefined();
    expect(warned({ metric: "spearman", extract: { after: "####" } }, wrong)).toBeUndefined();
  });
});
