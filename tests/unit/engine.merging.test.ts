/** A family in ONNX and the same family as folders of safetensors: one recipe, one merge. */
import { beforeAll, describe, expect, test } from "vitest";
import type { SafetensorsCheckpoint } from "../../src/checkpoint/safetensors/open.ts";
import { type Family, FamilyMerger, type ReadTensor } from "../../src/engine/merging.ts";
import { maskUniform } from "../../src/lib/rules.ts";
import { CpuExecutor } from "../../src/methods/executor.cpu.ts";
import { mergeTensor } from "../../src/methods/merge.ts";
import { rowOf } from "../../src/methods/rows.ts";
import type { MergeRun } from "../../src/methods/runs.ts";
import { needsSurvey, surveyModel } from "../../src/methods/survey.ts";
import type { TensorJob } from "../../src/methods/types.ts";
import { modelsOf, planMerge } from "../../src/recipe/plan/plan.ts";
import { parseRecipe, type Recipe } from "../../src/recipe/schema.ts";
import { openBasis } from "../../src/space/basis.ts";
import { checkpointIndex } from "../../src/space/types.ts";
import { asSafetensors, glyphs } from "../fixtures/families/glyphs.ts";

const experts = ["digits", "kana", "thai"];
let family: Family;
let read: ReadTensor;
let config: Record<string, unknown>;
let folders: Map<string, SafetensorsCheckpoint>;

beforeAll(async () => {
  ({ family, read, config } = glyphs(experts));
  folders = await asSafetensors(family, read);
});

/** The two forms of a recipe: scored, and as folders. */
function recipeOf(run: Record<string, unknown>, own: Record<string, unknown> = {}, scored = true): Recipe {
  return parseRecipe({
    murmuration: 1,
    base: { model: scored ? "zoo/glyphs/base" : "./base" },
    experts: experts.map((id) => ({ id, model: scored ? `zoo/glyphs/${id}` : `./${id}`, ...(id === "kana" ? { parameters: own } : {}) })),
    ...(scored ? { tasks: [{ id: "digits", head: "digits", source: "zoo/glyphs/digits" }] } : {}),
    runs: [{ id: "merge", ...run }],
    seeds: { search: 11 },
  });
}

/** As the streaming merge does it: plan by headers, ranges read from files, small chunks. By tensor name, the checkpoint's layout. */
async function merged(recipe: Recipe): Promise<Map<string, Float32Array>> {
  const run = recipe.runs[0] as MergeRun;
  const ids = modelsOf(recipe, run);
  const plan = planMerge(recipe, run, { models: ids.map((id) => ({ id, tensors: folders.get(id)!.tensors, config })) });
  const executor = new CpuExecutor({ budgetBytes: 0 }); // nothing is kept: every pass reads anew
  const source = (job: TensorJob) => {
    const tensor = plan.tensors.find(({ name }) => name === job.name)!;
    const inputs = tensor.kind === "merge" ? tensor.inputs : [];
    return { read: (input: number, from: number, to: number) => folders.get(plan.models[inputs[input]!.model]!)!.readF32(inputs[input]!.tensor, from, to) };
  };
  const jobs = plan.tensors.flatMap((tensor) => (tensor.kind === "merge" ? [tensor.job] : []));
  const survey = jobs[0] && needsSurvey(jobs[0]) ? await surveyModel(jobs, source, { executor }) : undefined;
  const out = new Map<string, Float32Array>();
  for (const tensor of plan.tensors) {
    const values = new Float32Array(tensor.elements);
    if (tensor.kind === "copy") values.set(await folders.get(plan.models[tensor.input.model]!)!.readF32(tensor.input.tensor));
    else await mergeTensor(tensor.job, source(tensor.job), (from, chunk) => values.set(chunk, from), { executor, chunkElements: 1000, survey });
    out.set(tensor.name, values);
  }
  return out;
}

const layered = [{ filter: "attention", value: [0.2, 0.9] }, { value: 0.5 }];
const cases: [string, Record<string, unknown>, Record<string, unknown>?][] = [
  ["linear", { method: "linear" }],
  ["linear, weights that vary over layers", { method: "linear" }, { weight: [0.1, 2] }],
  ["task_arithmetic", { method: "task_arithmetic", lambda: 0.4 }],
  ["ties", { method: "ties", density: 0.2 }],
  ["ties over the whole model", { method: "ties", density: 0.2, scope: "model" }],
  ["ties, density by filter and layer", { method: "ties", density: layered }, { weight: [0.5, 1.5] }],
  ["dare_ties", { method: "dare_ties", density: 0.5, weights: { digits: 0.7, thai: 0.4 } }],
  ["dare_linear divided by the density", { method: "dare_linear", density: 0.3, rescaling: "inverse" }],
  ["della", { method: "della", density: 0.5, epsilon: 0.1 }],
  ["breadcrumbs", { method: "breadcrumbs", density: 0.6, gamma: 0.05 }],
  ["sce", { method: "sce", select_topk: 0.3 }],
  ["slerp of the base and an expert", { method: "slerp", t: 0.3, models: ["digits"] }],
  ["slerp of two experts", { method: "slerp", t: [{ filter: "mlp", value: [0, 1] }, { value: 0.5 }], models: ["digits", "thai"], base_model: "digits" }],
  ["nuslerp by rows", { method: "nuslerp", models: ["kana", "thai"] }],
  ["model_stock by rows", { method: "model_stock", filter_wise: true }],
  ["model_stock", { method: "model_stock" }],
  ["karcher", { method: "karcher" }],
  ["arcee_fusion", { method: "arcee_fusion", models: ["kana"] }],
  ["rankmean", { method: "rankmean", models: ["digits", "kana"] }],
  ["passthrough", { method: "passthrough", models: ["thai"] }],
];

describe("one recipe on both forms gives one merge", () => {
  test.for(cases)("%s", async ([, run, own = {}]) => {
    const recipe = recipeOf(run, own);
    const { weights } = await new FamilyMerger(family, read).merge(recipe, recipe.runs[0] as MergeRun);
    const theirs = await merged(recipeOf(run, own, false));
    let [different, moved] = [0, 0];
    for (const segment of family.alignment.space.segments) {
      const [ours, other] = [weights[segment.index]!, theirs.get(segment.name)!];
      const base = await read(0, family.alignment.segments[segment.index]!.weight["base"]!);
      expect(ours).toHaveLength(segment.length);
      for (let e = 0; e < ours.length; e++) {
        if (ours[e] !== other[checkpointIndex(segment, e)]) different++;
        if (ours[e] !== base[e]) moved++;
      }
    }
    expect(different).toBe(0); // bit by bit: masks, ranks, rows and the order of equal numbers included
    expect(moved).toBeGreaterThan(0);
  });

  test("the space has transposed tensors, several layers, and heads that stay out", () => {
    const { space, heads } = family.alignment;
    expect(space.segments.some(({ transposed, shape }) => transposed && shape[0] !== shape[1])).toBe(true);
    expect(Math.max(...space.segments.map(({ layer }) => layer ?? -1))).toBeGreaterThan(1);
    expect(heads.length).toBeGreaterThan(0);
  });

  test("a random mask is the published one, in the checkpoint's own layout", async () => {
    const recipe = recipeOf({ method: "dare_linear", density: 0.4, rescale: false, models: ["kana"] });
    const { weights } = await new FamilyMerger(family, read).merge(recipe, recipe.runs[0] as MergeRun);
    const segment = family.alignment.space.segments.find(({ transposed, shape }) => transposed && shape[0] !== shape[1])!;
    const ids = family.alignment.segments[segment.index]!.weight;
    const [base, expert] = [await read(0, ids["base"]!), await read(2, ids["kana"]!)];
    for (let e = 0; e < 2000; e++) {
      const kept = maskUniform(11, "kana", segment.name, checkpointIndex(segment, e)) < 0.4;
      const expected = kept ? Math.fround(base[e]! + Math.fround(expert[e]! - base[e]!)) : base[e]!;
      expect(weights[segment.index]![e]).toBe(expected);
    }
  });

  test("rows of coefficients are the same merges, to a rounding", async () => {
    for (const run of [{ method: "linear", weights: { digits: 2 } }, { method: "task_arithmetic", lambda: 0.4 }]) {
      const recipe = recipeOf(run);
      const merge = recipe.runs[0] as MergeRun;
      const basis = openBasis(family.alignment.space, [{ kind: "base", id: "base" }, ...experts.map((id) => ({ kind: "dense" as const, id, precision: "f32" as const }))]);
      for (const [index, { weight }] of family.alignment.segments.entries()) {
        const [base, ...others] = await Promise.all(family.models.map(({ id, model }) => read(model.handle, weight[id]!)));
        basis.put(index, base!, others);
      }
      await basis.seal();
      const slot = basis.openSlot("cpu");
      await slot.materialise(rowOf(merge, recipe, basis.directions.map(({ id }) => id))!);
      const { weights } = await new FamilyMerger(family, read).merge(recipe, merge);
      weights.forEach((values, s) => values.forEach((value, e) => {
        if (!(Math.abs(value - slot.arrays[s]![e]!) <= 1e-6 * Math.max(1, Math.abs(value)))) throw new Error(`${s} ${e}: ${value} and ${slot.arrays[s]![e]}`);
      }));
    }
  });
});

describe("a merge of a family", () => {
  test("says what its methods noticed, once a kind, with the tensors", async () => {
    const recipe = recipeOf({ method: "slerp", t: 0.5, models: ["digits"] });
    const { warnings } = await new FamilyMerger(family, read).merge(recipe, recipe.runs[0] as MergeRun);
    const [lerp] = warnings.filter(({ code }) => code === "slerp-fell-back-to-lerp");
    expect(lerp?.tensors).toBeGreaterThan(5); // small fine-tunes are nearly parallel
    expect(lerp?.details?.tensors).toHaveLength(5);
    expect(lerp?.message).toMatch(/So it is in \d+ tensors: /);
  });

  test("refuses numbers that make no sense for a tensor, by name", async () => {
    const recipe = recipeOf({ method: "linear" }, { weight: [{ filter: "attention", value: -2 }, { value: 1 }] });
    await expect(new FamilyMerger(family, read).plan(recipe, recipe.runs[0] as MergeRun)).rejects.toThrow(/attention.*sum to zero: digits 1, kana -2 and thai 1/s);
  });

  test("is measured as it would be by hand", async () => {
    const recipe = recipeOf({ method: "ties", density: 0.3 });
    const merger = new FamilyMerger(family, read);
    const { weights } = await merger.merge(recipe, recipe.runs[0] as MergeRun);
    const { norm, inner } = await merger.measure(recipe, recipe.runs[0] as MergeRun);
    let [squares, withBase, withKana] = [0, 0, 0];
    for (const [s, values] of weights.entries()) {
      const ids = family.alignment.segments[s]!.weight;
      const [base, kana] = [await read(0, ids["base"]!), await read(2, ids["kana"]!)];
      values.forEach((value, e) => {
        const moved = value - base[e]!;
        squares += moved * moved;
        withBase += moved * base[e]!;
        withKana += moved * (kana[e]! - base[e]!);
      });
    }
    expect(norm / Math.sqrt(squares)).toBeCloseTo(1, 6);
    expect(inner["kana"]! / withKana).toBeCloseTo(1, 5);
    expect(Math.abs(inner["base"]! - withBase)).toBeLessThan(1e-4 * Math.max(1, Math.abs(withBase)));
    expect(Object.keys(inner)).toEqual(["base", ...experts]);
  });
});
