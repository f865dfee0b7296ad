/** mergekit 0.1.5's own plans of 130 files (tests/fixtures/parity), against ours: inputs, parameters, names, types, vocabularies; and what they give. */
import { describe, expect, test } from "vitest";
import { bf16FromF32, f32FromBf16 } from "../../src/lib/bf16.ts";
import { f16FromF32, f32FromF16 } from "../../src/lib/f16.ts";
import { CpuExecutor } from "../../src/methods/executor.cpu.ts";
import { methodSpec } from "../../src/methods/fields.ts";
import { mergeTensor } from "../../src/methods/merge.ts";
import { toMergekitYaml } from "../../src/recipe/mergekit/write.ts";
import type { PlannedTensor } from "../../src/recipe/plan/types.ts";
import { gatherRows } from "../../src/streaming/rows.ts";
import { cases, checkpoint, expected as outputOf, header, planned, type Row } from "../fixtures/parity/planned.ts";

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

/** What only a plan decides: slices, gradients, types, vocabularies. The methods themselves are compared in methods.parity.test.ts. */
const PLANNED = /^(slices|frankenmerge|gradient|filters|tokenizer|dtype|out-dtype|base-among|linear-with-base|passthrough)/;
const round: Record<string, (value: number) => number> = {
  F32: Math.fround, BF16: (value) => f32FromBf16(bf16FromF32(value)), F16: (value) => f32FromF16(f16FromF32(value)),
  float32: Math.fround, bfloat16: (value) => f32FromBf16(bf16FromF32(value)), float16: (value) => f32FromF16(f16FromF32(value)),
};
/** A unit in the last place at this size; for float32 what the goal allows. */
function allowed(value: number, dtype: string): number {
  if (dtype === "F32") return 2e-6 * Math.max(1, Math.abs(value));
  const exponent = Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -14)));
  return 1.001 * 2 ** (exponent - (dtype === "BF16" ? 7 : 10));
}

/** Elements of ties whose |δ| is the least that is kept in some model: which of several equal ones are kept is anybody's choice. */
function onThreshold(tensor: PlannedTensor, inputs: readonly Float32Array[]): ReadonlySet<number> {
  const open = new Set<number>();
  if (tensor.kind === "copy" || tensor.job.method !== "ties") return open;
  const { base, dtype = "float32" } = tensor.job;
  tensor.job.inputs.forEach(({ parameters }, i) => {
    if (i === base) return;
    const sizes = inputs[i]!.map((value, at) => Math.abs(round[dtype]!(round[dtype]!(value) - round[dtype]!(inputs[base!]![at]!))));
    const kept = Math.max(1, Math.trunc(Number(parameters.density) * sizes.length));
    const least = sizes.toSorted().reverse()[Math.min(kept, sizes.length) - 1];
    if (sizes.filter((size) => size >= least!).length > kept) sizes.forEach((size, at) => size === least && open.add(at));
  });
  return open;
}

describe("what mergekit made of it", () => {
  const executor = new CpuExecutor();

  test.for(Object.keys(cases).filter((name) => PLANNED.test(name)))("%s: every value", async (name) => {
    const { one, plan, folderOf } = await planned(name);
    const wanted = await outputOf(name);
    const models = await Promise.all(plan.models.map((id) => checkpoint(one.family, folderOf(id))));
    const merge = async (tensor: PlannedTensor): Promise<Float32Array> => {
      if (tensor.kind === "copy") {
        const values = await models[tensor.input.model]!.readF32(tensor.input.tensor);
        return values.map(round[tensor.compute ?? "float32"]!).map(round[tensor.dtype]!);
      }
      const stored = { read: (input: number, from: number, to: number) => models[tensor.inputs[input]!.model]!.readF32(tensor.inputs[input]!.tensor, from, to) };
      const source = tensor.rows === null ? stored : gatherRows(stored, tensor.rows, tensor.elements / (tensor.shape[0] ?? 1), tensor.job.dtype ?? "float32");
      const out = new Float32Array(tensor.elements);
      // 64 elements at once: every tensor is cut somewhere, embeddings within a row of padding too.
      await mergeTensor(tensor.job, source, (from, values) => out.set(values, from), { executor, chunkElements: 64 });
      return out.map(round[tensor.dtype]!);
    };
    let compared = 0;
    for (const tensor of plan.tensors) {
      const theirs = wanted.tensors.find((stored) => stored.name === tensor.name);
      if (theirs === undefined) continue; // the fixture keeps part of each result
      expect(theirs.dtype, tensor.name).toBe(tensor.dtype);
      const [ours, values] = [await merge(tensor), await wanted.readF32(tensor.name)];
      // A union numbers the others' tokens as it meets them, mergekit as a set gives them: rows are compared by token.
      const rowOf = tensor.kind === "merge" && tensor.rows !== null && one.vocabulary ? one.vocabulary.map((token) => plan.tokenizer?.vocabulary.get(token) ?? -1) : null;
      const width = tensor.elements / (tensor.shape[0] ?? 1);
      const open = onThreshold(tensor, tensor.kind === "merge" ? await Promise.all(tensor.inputs.map((input) => models[input.model]!.readF32(input.tensor))) : []);
      for (let i = 0; i < values.length; i++) {
        if (open.has(i)) continue;
        const row = rowOf === null ? null : (rowOf[Math.floor(i / width)] ?? Math.floor(i / width));
        const got = ours[row === null ? i : row * width + (i % width)]!;
        if (!(Math.abs(got - values[i]!) <= allowed(values[i]!, tensor.dtype))) expect.fail(`${tensor.name}[${i}] is ${got} instead of ${values[i]}`);
      }
      compared++;
    }
    expect(compared).toBeGreaterThan(0);
  });
});
