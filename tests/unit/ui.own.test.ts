/** One's own models on the page: names, a look, tasks, and nothing downloaded without a yes. */
import { expect, test } from "vitest";
import { parseRecipe, type Lab, type Preflight, type PreflightModel } from "../../src/index.ts";
import { App } from "../../src/ui/state/app.svelte.ts";
import { grouped } from "../../src/ui/dropped.ts";
import { idsOf, OwnModels } from "../../src/ui/state/ownModels.svelte.ts";
import { columnFor, shown } from "../../src/ui/templates.ts";
import { fakeLab } from "../fixtures/ui/fakeLab.ts";

const model = (ref: string, more: Partial<PreflightModel> = {}): PreflightModel => ({
  ref, error: null, commit: "0".repeat(40), format: "onnx", modelType: "bert", licence: "mit", baseModels: [], gated: false, private: false,
  tensors: 1, parameters: 10, dtypes: ["F32"], files: [{ path: "onnx/model.onnx", bytes: 40, cached: false }], bytes: 40, ...more,
});
const lookOf = (models: PreflightModel[], more: Partial<Preflight> = {}): Preflight => ({
  fits: true, models, problems: [], notes: [], shared: { tensors: 1, parameters: 10 }, downloadBytes: 120, cachedBytes: 0, memoryBytes: { f32: 160, f16: 100 }, readBytes: 5, ...more,
});

/** A lab that says what it was asked for. */
function listening(look: Preflight) {
  const asked: string[] = [];
  const lab = fakeLab({ experts: 3, beatMs: 0 });
  const told: Lab = {
    ...lab,
    preflight: async ({ base, experts }) => (asked.push(`look ${[base, ...experts].join(" ")}`), look),
    preview: async () => ({ columns: ["idx", "sentence", "label"], rows: [{ idx: "0", sentence: "good", label: "1" }], count: 300, told: { labels: { label: ["no", "yes"] } } }),
    prepare: async (recipe, options) => (asked.push("prepare"), lab.prepare(recipe, options)),
    start: (recipe, options) => (asked.push("start"), lab.start(recipe, options)),
  };
  return { lab: told, asked };
}

async function named(own: OwnModels, lab: Pick<Lab, "preflight">, experts: string[]): Promise<void> {
  own.setBase("me/base");
  own.experts = experts;
  await own.lookAt(lab);
}

test("what is wrong with a name is a sentence, before anything is asked", () => {
  const own = new OwnModels();
  own.setBase("me/base");
  own.setExpert(0, "me/one");
  expect(own.ready).toBe(true);
  expect(own.problemAt(1, "a b/c")).toBe("This holds a space: write zoo/family/name, owner/name or owner/name@revision, or a path that begins with ./, ../ or /.");
  expect(own.problemAt(1, "<img src=x>")).toMatch(/holds a character that references never have/);
  expect(own.problemAt(1, "me/../x")).toMatch(/"\.\."/);
  expect(own.problemAt(1, "me/base")).toMatch(/named twice/);
  expect(own.problemAt(1, "./folder")).toMatch(/not dropped here/);
  expect(own.problemAt(1, "")).toBeNull();
  own.setExpert(1, "../up");
  expect(own.ready).toBe(false);
});

test("names of experts are made once each, and none is taken", () => {
  expect(idsOf(["a/BERT sst2", "b/bert-sst2", "c/base", "d/m+e/lora.v2@main", "./Über"])).toEqual(["bert-sst2", "bert-sst2-2", "base-2", "lora-v2", "ber"]);
});

test("what is dropped is a model, samples, or said to be neither", async () => {
  const mounted: string[] = [];
  const { lab } = listening(lookOf([]));
  const doors = { ...lab, mount: async (reference: string) => void mounted.push(reference) };
  const own = new OwnModels();
  const file = (path: string) => ({ path, file: new File(["x"], path.split("/").at(-1) ?? "x") });
  await own.take(doors, grouped([file("mine-base/onnx/model.onnx"), file("mine-base/config.json"), file("tuned/model.safetensors"), file("tuned/.git/x"), file("rows.jsonl"), file("notes.docx")]));
  expect(mounted).toEqual(["./mine-base", "./tuned", "./rows.jsonl"]);
  expect([own.base, own.experts, own.problemAt(0, own.base)]).toEqual(["./mine-base", ["./tuned", ""], null]);
  expect(own.tasks.list).toMatchObject([{ from: "file", file: "./rows.jsonl", roles: { prompt: "{{sentence}}", answer: "{{label}}" } }]);
  expect(own.problem).toMatch(/^notes\.docx: neither/);
});

test("a look, a task of rows, and a recipe that can be run", async () => {
  const { lab } = listening(lookOf([model("me/base"), model("me/one"), model("me/two")]));
  const own = new OwnModels();
  await named(own, lab, ["me/one", "me/two"]);
  expect(own.tasks.headed).toBe(true);
  const task = own.tasks.add("dataset", own.ids);
  expect(own.tasks.ready).toBe(false);
  own.tasks.set(task.key, { dataset: "nyu-mll/glue", config: "sst2" });
  await own.tasks.look(lab, task.key);
  own.tasks.set(task.key, { optimise: 40, test: 300 });
  expect(own.tasks.problemOf(own.tasks.list[0] ?? task)).toMatch(/300 rows, but 340 are asked for/);
  own.tasks.set(task.key, { test: 200 });
  const recipe = parseRecipe(own.recipe());
  expect(recipe).toMatchObject({ base: { model: "me/base" }, experts: [{ id: "one" }, { id: "two" }], runs: [{ method: "pso_merging" }], export: "pso" });
  expect(recipe.tasks).toMatchObject([{ id: "sst2", head: "one", source: { dataset: "nyu-mll/glue", config: "sst2" }, kind: "classification", prompt: "{{sentence}}", answer: "{{label}}", optimise: 40, test: 200 }]);
});

test("models of language need no head; an adapter named alone lies on the base; a benchmark says the rest", async () => {
  const { lab } = listening(lookOf([model("me/base", { modelType: "t5" }), model("me/lora", { format: "lora", modelType: null }), model("me/other", { modelType: "t5" })]));
  const own = new OwnModels();
  await named(own, lab, ["me/lora", "me/other"]);
  const task = own.tasks.add("preset", own.ids);
  own.tasks.choose(task.key, "gsm8k");
  const recipe = parseRecipe(own.recipe());
  expect(recipe.experts.map((expert) => expert.model)).toEqual(["me/base+me/lora", "me/other"]);
  expect(recipe.tasks[0]).toMatchObject({ id: "gsm8k", source: { dataset: "openai/gsm8k" }, kind: "generation", few_shot: 5 });
  expect(recipe.tasks[0]?.head).toBeUndefined();
});

test("Merge of a recipe from a link that names the Hub asks first, once, and No downloads nothing", async () => {
  const { lab, asked } = listening(lookOf([model("me/base"), model("me/one")]));
  const app = new App(lab, { storage: "unit" });
  await app.open();
  const recipe = parseRecipe({ murmuration: 1, base: { model: "me/base" }, experts: [{ id: "one", model: "me/one" }], tasks: [{ id: "t", head: "one", source: { dataset: "me/rows" }, kind: "classification", prompt: "{{a}}", answer: "{{b}}" }], runs: [{ id: "pso", method: "pso_merging" }] });
  app.settings.use(recipe, "link");
  app.merge();
  await expect.poll(() => app.consent.question?.look?.downloadBytes).toBe(120);
  expect(app.consent.question).toMatchObject({ models: ["me/base", "me/one"], datasets: ["me/rows"] });
  app.consent.answer(false);
  await Promise.resolve();
  expect([asked, app.busy]).toEqual([["look me/base me/one"], false]);
  app.merge();
  await expect.poll(() => app.consent.question?.look?.downloadBytes).toBe(120);
  app.consent.answer(true);
  await expect.poll(() => asked.includes("start")).toBe(true);
  expect(app.consent.needed(recipe)).toBe(false);
});

test("what is in the cache already is not asked about; what cannot be merged is", async () => {
  const recipe = parseRecipe({ murmuration: 1, base: { model: "me/base" }, experts: [{ id: "one", model: "me/one" }], tasks: [{ id: "t", source: "zoo/glyphs/digits" }], runs: [{ id: "pso", method: "pso_merging" }] });
  const here = listening(lookOf([model("me/base"), model("me/one")], { downloadBytes: 0, cachedBytes: 120 }));
  const app = new App(here.lab, { storage: "unit" });
  expect(await app.consent.ask(here.lab, recipe)).toBe(true);
  const other = new App(here.lab, { storage: "unit" });
  const wrong = listening(lookOf([model("me/base"), model("me/one")], { downloadBytes: 0, fits: false }));
  void other.consent.ask(wrong.lab, recipe);
  await expect.poll(() => other.consent.question?.look?.fits).toBe(false);
});

test("columns are guessed from their names, and a template is filled in as text", () => {
  expect([columnFor("prompt", ["idx", "premise", "hypothesis", "label"]), columnFor("pair", ["premise", "hypothesis"]), columnFor("choices", ["question"])]).toEqual(["{{premise}}", "{{hypothesis}}", ""]);
  const row = { question: "2 + 2? {{answer}}", choices: '{"text":["3","4"]}', answer: "4" };
  expect(shown("Q: {{ question }} A: {{choices.text.1}} {{nothing}}", row)).toBe("Q: 2 + 2? {{answer}} A: 4 {{nothing}}");
});
