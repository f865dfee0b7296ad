/** mergekit 0.1.5's own plans of 130 files (tests/fixtures/parity), against ours: inputs, parameters, names, types, vocabularies. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { bytesSource } from "../../src/checkpoint/safetensors/source.ts";
import { openSafetensors } from "../../src/checkpoint/safetensors/open.ts";
import { methodSpec } from "../../src/methods/fields.ts";
import type { MergeRun } from "../../src/methods/runs.ts";
import { readMergekit } from "../../src/recipe/mergekit/read.ts";
import { toMergekitYaml } from "../../src/recipe/mergekit/write.ts";
import { modelsOf, planMerge } from "../../src/recipe/plan/plan.ts";
import { readTokenizer } from "../../src/recipe/plan/tokenizer.ts";
import type { ModelHeader } from "../../src/recipe/plan/types.ts";
import { parseRecipe } from "../../src/recipe/schema.ts";

const at = (path: string) => new URL(`../fixtures/parity/${path}`, import.meta.url);
const text = (path: string) => readFileSync(at(path), "utf8");

interface Row {
  readonly inputs: readonly string[];
  readonly base: string | null;
  readonly parameters: Readonly<Record<string, number | boolean>>;
  readonly perModel: Readonly<Record<string, Readonly<Record<string, number | boolean | null>>>>;
  readonly tensors: "all" | readonly (string | { readonly name: string; readonly from: Readonly<Record<string, string>> })[];
}

interface Case {
  readonly family: "float32" | "bfloat16";
  readonly method: string;
  readonly tensors: "as the base" | Readonly<Record<string, readonly number[]>>;
  readonly config: { readonly num_hidden_layers: number; readonly vocab_size: number; readonly dtype: string };
  /** Left out of the random methods. */
  readonly plan?: readonly Row[];
  readonly vocabulary?: readonly string[];
}

const { cases } = JSON.parse(text("index.json")) as { cases: Record<string, Case> };

const headers = new Map<string, Promise<ModelHeader>>();

function header(family: string, id: string): Promise<ModelHeader> {
  const key = `${family}/${id}`;
  const known = headers.get(key) ?? readHeaders(family, id);
  headers.set(key, known);
  return known;
}

async function readHeaders(family: string, id: string): Promise<ModelHeader> {
  const folder = `family/${family}/${id}`;
  const files = readdirSync(at(folder)).filter((name) => name.includes("safetensors")).map((name) => ({ path: name, source: bytesSource(new Uint8Array(readFileSync(at(`${folder}/${name}`)))) }));
  const { tensors } = await openSafetensors(files, { model: id });
  return {
    id, config: JSON.parse(text(`${folder}/config.json`)) as Record<string, unknown>,
    tensors: tensors.map(({ name, dtype, shape, file }) => ({ name, dtype, shape, file })),
    tokenizer: readTokenizer(text(`${folder}/tokenizer.json`), text(`${folder}/tokenizer_config.json`), `${folder}/tokenizer.json`),
  };
}

async function planned(name: string, yaml = text(`${name}.yml`)) {
  const one = cases[name] as Case;
  const folders = readdirSync(at(`family/${one.family}`));
  const read = readMergekit(yaml, { file: `${name}.yml`, exists: (path) => folders.includes(path.replace(/^\.\//, "")) });
  const recipe = parseRecipe(read.recipe);
  const run = recipe.runs[0] as MergeRun;
  const folderOf = (id: string) => (id === "base" ? recipe.base.model : (recipe.experts.find((expert) => expert.id === id)?.model ?? "")).replace(/^\.\//, "");
  const models = await Promise.all(modelsOf(recipe, run).map(async (id) => ({ ...(await header(one.family, folderOf(id))), id })));
  return { one, recipe, run, folderOf, plan: planMerge(recipe, run, { models }), warnings: read.warnings };
}

describe("mergekit's own plan", () => {
  test("there are enough of them", () => expect(Object.keys(cases).length).toBeGreaterThan(120));

  test.for(Object.keys(cases))("of %s is ours", async (name) => {
    const { one, run, plan, folderOf } = await planned(name);
    if (one.plan === undefined) {
      expect(plan.tensors.map((tensor) => tensor.name).sort()).toEqual((await header(one.family, "base")).tensors.map((tensor) => tensor.name).sort());
      expect(plan.tensors.every((tensor) => tensor.kind === "merge" && tensor.job.base !== null && tensor.job.seed === 7)).toBe(true);
      return;
    }
    const expected = new Map<string, { row: Row; from: Readonly<Record<string, string>> | null }>();
    const base = await header(one.family, "base");
    for (const row of one.plan) {
      const tensors = row.tensors === "all" ? base.tensors.map((tensor) => tensor.name) : row.tensors;
      for (const tensor of tensors) expected.set(typeof tensor === "string" ? tensor : tensor.name, { row, from: typeof tensor === "string" ? null : tensor.from });
    }
    expect(plan.tensors.map((tensor) => tensor.name).sort()).toEqual([...expected.keys()].sort());
    const { whole, perModel, base: wants } = methodSpec(run.method);
    for (const tensor of plan.tensors) {
      const { row, from } = expected.get(tensor.name) as { row: Row; from: Record<string, string> | null };
      const inputs = tensor.kind === "merge" ? tensor.inputs : [tensor.input];
      const names = inputs.map(({ model }) => folderOf(plan.models[model] ?? ""));
      expect(names, tensor.name).toEqual(row.inputs);
      inputs.forEach((input, i) => expect(input.tensor).toBe(from?.[names[i] as string] ?? tensor.name));
      if (tensor.kind === "copy") {
        expect(row.perModel[names[0] as string]?.scale ?? null).toBeNull();
        continue;
      }
      const { job } = tensor;
      if (wants !== "none") expect(job.base === null ? null : names[job.base]).toBe(row.base);
      for (const [key, value] of Object.entries(row.parameters)) {
        if (whole[key] === undefined || key === "int8_mask") continue; // without effect
        const ours = job.parameters[key] ?? whole[key].default;
        if (typeof value === "number") expect(ours, `${key} of ${tensor.name}`).toBeCloseTo(value, 12);
        else expect(ours, `${key} of ${tensor.name}`).toBe(value);
      }
      job.inputs.forEach(({ id, parameters }) => {
        for (const [key, value] of Object.entries(row.perModel[folderOf(id)] ?? {})) {
          if (run.method === "task_arithmetic" && key === "density") continue; // without effect there
          const ours = parameters[key] ?? perModel[key]?.default ?? null;
          if (typeof value === "number") expect(ours, `${key} of ${id} in ${tensor.name}`).toBeCloseTo(value, 12);
          else expect(ours).toBe(value);
        }
      });
    }
    expect(plan.config).toMatchObject({ num_hidden_layers: one.config.num_hidden_layers, vocab_size: one.config.vocab_size });
    expect(plan.config?.torch_dtype ?? plan.config?.dtype).toBe(one.config.dtype);
    if (one.tensors !== "as the base") for (const tensor of plan.tensors) expect(tensor.shape, tensor.name).toEqual(one.tensors[tensor.name]);
    if (one.vocabulary && plan.tokenizer) expect([...(plan.tokenizer?.vocabulary ?? [])].sort(([, a], [, b]) => a - b).map(([token]) => token).sort()).toEqual([...one.vocabulary].sort());
  });

  test.for(Object.keys(cases))("of %s stays the same when it is written and read again", async (name) => {
    const first = await planned(name);
    const again = await planned(name, toMergekitYaml(first.recipe, first.run));
    expect(again.plan).toEqual(first.plan);
    expect(again.recipe).toEqual(first.recipe);
  });
});
