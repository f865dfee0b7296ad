import { describe, expect, test } from "vitest";
import { isLabError } from "../../src/lib/error.ts";
import { parseReference } from "../../src/recipe/reference.ts";
import { parseRecipe } from "../../src/recipe/schema.ts";
import { applySetting, setPath } from "../../src/recipe/set.ts";

/** The example of the contract, changed by `change`. Loosely typed: most changes make it wrong. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
function recipe(change: (recipe: any) => void = () => undefined): unknown {
  const whole = {
    murmuration: 1,
    base: { model: "zoo/glyphs/base" },
    experts: [{ id: "digits", model: "zoo/glyphs/digits" }, { id: "kana", model: "zoo/glyphs/kana" }],
    tasks: [
      { id: "digits", head: "digits", source: "zoo/glyphs/digits" },
      { id: "kana", head: "kana", source: "zoo/glyphs/kana", metric: "accuracy", optimise: 50, validate: 0, test: 500 },
    ],
    runs: [{ id: "pso", method: "pso_merging" }],
    compare: [{ id: "average", method: "linear" }],
  };
  change(whole);
  return whole;
}

function problems(input: unknown): string[] {
  try {
    parseRecipe(input);
  } catch (error) {
    if (isLabError(error, "bad-recipe")) return error.message.split("\n");
    throw error;
  }
  return [];
}

describe("a recipe", () => {
  test("gets every default spelled out, the paper's", () => {
    const parsed = parseRecipe(recipe());
    expect(parsed).toMatchObject({
      title: "", export: "pso", out_dtype: "float32",
      fitness: { measure: "metric", aggregate: "mean" }, seeds: { samples: 1, search: 7 },
      experts: [{ parameters: { weight: 1 } }, { parameters: { weight: 1 } }],
      tasks: [{ optimise: 50, validate: 0, test: 500, weight: 1 }, {}],
    });
    expect(parsed.runs[0]).toEqual({
      id: "pso", method: "pso_merging", steps: 5, inertia: 0.2, cognitive: 2, social: 2, random: "scalar", swarm: "subspace",
      start: ["base", "experts", { sparsified_experts: { method: "dare", density: 0.2, rescaling: "inverse" } }],
    });
  });

  test("spelled out is itself a recipe, and stays as it is", () => {
    const once = parseRecipe(recipe((r) => r.runs.push({ method: "random" }, { id: "s", method: "pso_merging", start: ["sparsified_experts", "task_arithmetic", "linear"] })));
    expect(parseRecipe(JSON.parse(JSON.stringify(once)))).toEqual(once);
    expect(once.runs[1]).toMatchObject({ id: "random", low: 0, high: 1 });
  });

  test("in short form is one run", () => {
    const parsed = parseRecipe(recipe((r) => { delete r.runs; r.method = "random"; r.parameters = { evaluations: 3 }; }));
    expect(parsed.runs).toEqual([{ id: "random", method: "random", evaluations: 3, low: 0, high: 1 }]);
  });

  test("may carry what resolving added", () => {
    const parsed = parseRecipe(recipe((r) => { r.base.revision = "a".repeat(40); r.base.sha256 = { "onnx/model.onnx": "b".repeat(64) }; }));
    expect(parsed.base).toEqual({ model: "zoo/glyphs/base", revision: "a".repeat(40), sha256: { "onnx/model.onnx": "b".repeat(64) } });
  });

  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  test.for<[string, (r: any) => void, RegExp]>([
    ["unknown field", (r) => { r.runs[0].inertai = 1; }, /^runs\.0\.inertai is not a field; did you mean inertia\?$/],
    ["unknown field, nothing near", (r) => { r.zzzzzzzzzz = 1; }, /^zzzzzzzzzz is not a field; known are murmuration, title/],
    ["wrong type", (r) => { r.runs[0].steps = "five"; }, /^runs\.0\.steps must be a whole number from 1 to 10,000, not "five"\.$/],
    ["zero", (r) => { r.runs[0].steps = 0; }, /^runs\.0\.steps must be a whole number from 1 to 10,000, not 0\.$/],
    ["absurd", (r) => { r.runs[0].steps = 1e9; }, /not 1,000,000,000\.$/],
    ["too many in all", (r) => { r.runs[0].steps = 10_000; r.runs[0].start = ["experts", "experts", "experts", "experts", "experts", "base"]; }, /asks for 110,011 evaluations/],
    ["NaN", (r) => { r.runs[0].inertia = NaN; }, /^runs\.0\.inertia must be a number from -10 to 10, not NaN\.$/],
    ["infinite", (r) => { r.tasks[0].weight = Infinity; }, /^tasks\.0\.weight must be a number .* not Infinity\.$/],
    ["a method to come", (r) => { r.runs[0].method = "cma_es"; }, /^runs\.0 names cma_es, which is part of the format but not there yet; there are pso_merging, random, linear, task_arithmetic, ties, .* and rankmean\.$/],
    ["slices, on tasks", (r) => { r.runs[0] = { method: "linear", slices: [{ sources: [{ model: "digits", layer_range: [0, 2] }] }] }; }, /^runs\.0 has slices, which make another graph than the one that is scored/],
    ["too many models for a method, on tasks", (r) => { r.runs[0] = { method: "slerp", t: 0.5 }; }, /^runs\.0 merges \d models beside the base, but slerp takes exactly 1\.$/],
    ["a parameter that a method needs", (r) => { r.runs[0] = { method: "slerp", models: ["digits"] }; }, /^runs\.0 has no t, which slerp needs\.$/],
    ["a start misspelled", (r) => { r.runs[0].start = [{ method: "tiess" }]; }, /^runs\.0\.start\.0 names "tiess", which is no data-free method; did you mean ties\?$/],
    ["a start's parameter misspelled", (r) => { r.runs[0].start = [{ method: "ties", densty: 0.2 }]; }, /^runs\.0\.start\.0\.densty is not a field; did you mean density\?$/],
    ["a start's density of 2", (r) => { r.runs[0].start = [{ method: "ties", density: 2 }]; }, /^runs\.0\.start\.0\.density must be a number from 0 to 1, not 2\.$/],
    ["a start with too many models", (r) => { r.runs[0].start = [{ method: "slerp", t: 0.5 }]; }, /^runs\.0\.start\.0 merges \d models beside the base, but slerp takes exactly 1\.$/],
    ["a start that is tuned", (r) => { r.runs[0].start = [{ method: "ties", density: { tune: [0, 1] } }]; }, /^runs\.0\.start\.0\.density must be/],
    ["two numbers tuned", (r) => { r.runs[0] = { method: "ties", density: { tune: [0.1, 1] }, lambda: { tune: [0, 2] } }; }, /^runs\.0 leaves lambda and density to be tuned; give all but one of them a number\.$/],
    ["an interval that goes down", (r) => { r.runs[0] = { method: "ties", density: { tune: [1, 0.1] } }; }, /^runs\.0\.density\.tune must be \[low, high\] with low below high, not \[1,0\.1\]\.$/],
    ["a method misspelled", (r) => { r.runs[0].method = "pso_merge"; }, /did you mean pso_merging\?$/],
    ["a method that is a prototype's", (r) => { r.runs[0].method = "constructor"; }, /^runs\.0 names "constructor", which is no method/],
    ["no method", (r) => { delete r.runs[0].method; }, /^runs\.0 has no method/],
    ["a search as comparison", (r) => { r.compare[0].method = "random"; }, /^compare\.0 names random, which is a search: list it under runs\.$/],
    ["inside a union", (r) => { r.compare.push({ id: "ta", method: "task_arithmetic", lambda: { tune: [1, 2], evaluatoins: 3 } }); }, /^compare\.1\.lambda\.evaluatoins is not a field; did you mean evaluations\?$/],
    ["an empty interval", (r) => { r.compare.push({ id: "ta", method: "task_arithmetic", lambda: { tune: [2, 1] } }); }, /^compare\.1\.lambda\.tune must be \[low, high\] with low below high/],
    ["a density above 1", (r) => { r.runs[0].start = [{ sparsified_experts: { density: 2 } }]; }, /^runs\.0\.start\.0\.sparsified_experts\.density must be a number above 0 and at most 1, not 2\.$/],
    ["duplicate id", (r) => { r.compare[0].id = "digits"; }, /^compare\.0\.id is digits, which experts\.0 has already; choose another\.$/],
    ["the base's id", (r) => { r.experts[0].id = "base"; r.tasks[0].head = "base"; }, /^experts\.0\.id is base, which stands for the base/],
    ["duplicate task", (r) => { r.tasks[1].id = "digits"; }, /^tasks\.1\.id is digits, which tasks\.0 has already/],
    ["the mean's id", (r) => { r.tasks[1].id = "mean"; }, /stands for the mean over tasks/],
    ["an id that is no name", (r) => { r.experts[0].id = "Digits!"; }, /^experts\.0\.id must be small letters/],
    ["duplicate expert", (r) => { r.experts[1].model = "zoo/glyphs/digits"; }, /^experts\.1\.model is zoo\/glyphs\/digits, which is the expert digits already/],
    ["65 experts", (r) => { r.experts = Array.from({ length: 65 }, (_, i) => ({ id: `e${i}`, model: `zoo/glyphs/e${i}` })); }, /^experts must be a list of 1 to 64 experts/],
    ["no experts", (r) => { r.experts = []; r.tasks.forEach((t: { head?: string }) => delete t.head); }, /^experts must be a list of 1 to 64 experts, not an empty list/],
    ["unknown head", (r) => { r.tasks[0].head = "digit"; }, /^tasks\.0\.head names digit, which is no expert; did you mean digits\?$/],
    ["unknown export", (r) => { r.export = "psso"; }, /^export names psso, which is no run and no comparison; did you mean pso\?$/],
    ["element in a subspace", (r) => { r.runs[0].random = "element"; }, /leaves the span.*set runs\.0\.swarm to resident/],
    ["log-likelihood of numbers", (r) => { r.tasks[0].metric = "pearson"; r.fitness = { measure: "log_likelihood" }; }, /^tasks\.0 is measured by log_likelihood, but pearson scores numbers/],
    ["a metric misspelled", (r) => { r.tasks[0].metric = "perplexitty"; }, /^tasks\.0\.metric names "perplexitty", which is no metric; did you mean perplexity\?$/],
    ["a filter that is none", (r) => { r.tasks[0].prompt = "{{a | upper}}"; }, /^tasks\.0\.prompt has the filter "upper", which there is not; there are capitalise, lower, trim and tenths\.$/],
    ["an extraction that is none", (r) => { r.tasks[0].extract = { behind: "####" }; }, /^tasks\.0\.extract/],
    ["a sample on two sides", (r) => { r.tasks[0].optimise = ["a", "b"]; r.tasks[0].test = ["b"]; }, /^tasks\.0\.optimise has sample b that test has too/],
    ["absurd samples", (r) => { r.tasks[0].test = 1_000_001; }, /^tasks\.0\.test must be a whole number from 0 to 1,000,000/],
    ["weights that cancel", (r) => { r.compare[0].weights = { digits: 1, kana: -1 }; }, /^compare\.0 divides by the sum of weights, which is 0/],
    ["weight of nobody", (r) => { r.compare[0].weights = { digit: 1 }; }, /^compare\.0\.weights names digit, which is no expert; did you mean digits\?$/],
    ["markup in a reference", (r) => { r.base.model = "<img src=x onerror=alert(1)>"; }, /^base\.model is "<img src=x onerror=alert\(1\)>", which holds a character/],
    ["another version", (r) => { r.murmuration = 2; }, /^murmuration must be 1/],
    ["method beside runs", (r) => { r.method = "linear"; }, /^method is short for one run, so it cannot stand beside runs/],
    ["nothing to climb", (r) => { for (const task of r.tasks) task.optimise = 0; }, /^No task has samples to optimise on/],
  ])("is refused: %s", ([, change, message]) => {
    const found = problems(recipe(change));
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  test.for([null, 3, "x", [], () => 1, undefined])("is refused when it is %s", (input) => {
    expect(problems(input)).not.toHaveLength(0);
  });

  test("names every problem at once, a sentence each", () => {
    expect(problems(recipe((r) => { delete r.base; r.runs[0].steps = 0; r.x = 1; }))).toHaveLength(3);
  });

  test("trusts no prototype", () => {
    expect(problems(recipe((r) => Object.assign(r, { runs: JSON.parse('[{"__proto__": {"method": "linear"}}]') })))).not.toHaveLength(0);
    const inherited = Object.create(recipe() as object) as unknown; // nothing of its own
    expect(problems(inherited)[0]).toMatch(/^murmuration must be 1/);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
  });

  test("too deep or cyclic ends in a sentence", () => {
    const cycle: Record<string, unknown> = {};
    cycle.base = cycle;
    expect(problems(cycle)[0]).toMatch(/nested too deeply/);
  });
});

describe("a reference", () => {
  test.for([
    ["zoo/glyphs/base", { kind: "zoo", family: "glyphs", name: "base", adapter: null }],
    ["owner/name", { kind: "hub", owner: "owner", name: "name", revision: null }],
    ["owner/name.v2@refs/pr/1", { kind: "hub", revision: "refs/pr/1" }],
    ["owner/name@main+other/lora@v1", { kind: "hub", revision: "main", adapter: { kind: "hub", owner: "other", name: "lora", revision: "v1" } }],
    ["../a dir/model+x.onnx", { kind: "path", path: "../a dir/model+x.onnx", absolute: false, adapter: null }],
    ["/models/a+owner/lora", { kind: "path", absolute: true, path: "/models/a", adapter: { kind: "hub", owner: "owner" } }],
  ] as const)("%s", ([text, parsed]) => {
    expect(parseReference(text)).toMatchObject({ ...parsed, text });
  });

  test.for(["", "name", "a/b/c", "a/..", "zoo/../../x", "zoo/glyphs", "./a/../../etc", "a/b@../x", "a b/c", "a/b?x=1", "https://x/y", "a/b\u0000", " a/b", "javascript:alert(1)", "a/b+../../c/../d"])(
    "%j is refused", (text) => {
      expect(() => parseReference(text)).toThrow(/reference/);
    },
  );
});

describe("--set", () => {
  test("takes places, ids, JSON and text, and leaves the original", () => {
    const before = recipe() as { runs: { steps?: number }[] };
    expect(parseRecipe(applySetting(before, "runs.0.swarm=resident")).runs[0]).toMatchObject({ swarm: "resident" });
    expect(parseRecipe(setPath(before, "runs.pso.steps", "9")).runs[0]).toMatchObject({ steps: 9 });
    expect(parseRecipe(applySetting(before, "seeds.search=11")).seeds.search).toBe(11); // a field that was not written
    expect(before.runs[0]?.steps).toBeUndefined();
  });

  test.for(["runs.pos.steps=9", "runs.7.steps=9", "murmuration.x=1", "__proto__.x=1", "=1", "a..b=1", "steps"])("%s is refused", (setting) => {
    expect(() => applySetting(recipe(), setting)).toThrow(/^--set/);
  });
});
