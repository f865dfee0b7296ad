/** Experts without a graph, and adapters, put into the base's graph. */
import "fake-indexeddb/auto";
import { beforeAll, describe, expect, test } from "vitest";
import { addLowRank } from "../../src/checkpoint/lora/factors.ts";
import { Hub } from "../../src/hub/hub.ts";
import { align } from "../../src/space/align/align.ts";
import type { LoadedModel, MountedFile } from "../../src/threads/hub.ts";
import { glyphCompanions, glyphFile, glyphGraph, glyphNames, glyphTensors, mountedFile, safetensorsOf } from "../fixtures/onnx/glyphs.ts";
import { gaussian, largestDifference } from "../kernels/sample.ts";

const mounts: Record<string, MountedFile[]> = {};
const query = "vit.encoder.layer.0.attention.attention.query";

async function adapter(tensors: [string, number[]][], more: object = {}): Promise<MountedFile[]> {
  const values = tensors.map(([name, shape], i) => [name, { shape, values: gaussian(shape.reduce((a, b) => a * b), 70 + i, 0.05) }] as const);
  const config = { peft_type: "LORA", r: 4, lora_alpha: 8, target_modules: ["query", "value"], base_model_name_or_path: "glyphs/base", ...more };
  return [mountedFile("adapter_config.json", JSON.stringify(config)), await safetensorsOf(new Map(values), "adapter_model.safetensors")];
}

beforeAll(async () => {
  const graph = mountedFile("onnx/model.onnx", glyphFile("base/onnx/model.onnx"));
  mounts["./base"] = [graph, await safetensorsOf(glyphTensors("base")), ...glyphCompanions("base")];
  mounts["./graph-only"] = [graph, ...glyphCompanions("base")];
  mounts["./kana"] = [await safetensorsOf(glyphTensors("kana")), ...glyphCompanions("kana")];
  const short = glyphTensors("kana");
  short.delete("vit.encoder.layer.1.layernorm_before.weight");
  short.set(`${query}.weight`, { shape: [80, 81], values: new Float32Array(80 * 81) });
  mounts["./short"] = [await safetensorsOf(short), ...glyphCompanions("kana")];
  const pair = (module: string): [string, number[]][] => [[`base_model.model.${module}.lora_A.weight`, [4, 80]], [`base_model.model.${module}.lora_B.weight`, [80, 4]]];
  mounts["./lora"] = await adapter([...pair(query), ...pair("vit.encoder.layer.1.attention.attention.value")]);
  mounts["./dora"] = await adapter([...pair(query), [`base_model.model.${query}.lora_magnitude_vector`, [80]]], { use_dora: true });
  mounts["./other"] = await adapter([["base_model.model.model.layers.0.q_proj.lora_A.weight", [4, 64]], ["base_model.model.model.layers.0.q_proj.lora_B.weight", [64, 4]]]);
});

let visits = 0;
async function hub(): Promise<Hub> {
  const opened = new Hub();
  await opened.open({ assets: "https://site.test/", storage: `borrow-${++visits}`, mounts });
  return opened;
}
const weightOf = (model: LoadedModel, name: string) => model.skeleton.weights.find((weight) => model.names?.tensors[weight.name]?.name === name)!;

describe("safetensors into the base's graph", () => {
  test("an expert without a graph is aligned, head and all, under its checkpoint's names", async () => {
    const opened = await hub();
    const base = await opened.model("./base");
    const expert = await opened.model("./kana", undefined, "./base");
    expect(expert).toMatchObject({ ref: "./kana", notes: [] });
    expect(expert.names?.tensors).toEqual(glyphNames.tensors[""] ?? Object.fromEntries(Object.entries(glyphNames.tensors).map(([name, one]) => [name, expect.objectContaining({ name: one.name, transposed: one.transposed }) as object])));
    expect(expert.config?.labels?.length).toBe(46);
    const inputs = [["base", base], ["kana", expert]] as const;
    const aligned = align(inputs.map(([id, { skeleton, config }]) => ({ id, skeleton, config })), { baseId: "base", names: glyphNames });
    const direct = glyphGraph("kana");
    const wanted = align([{ id: "base", skeleton: base.skeleton, config: base.config }, { id: "kana", skeleton: direct.skeleton, config: expert.config }], { baseId: "base", names: glyphNames });
    expect(aligned.space).toEqual(wanted.space);
    expect(aligned.heads.map(({ name, of }) => [name, of.kana?.shape])).toEqual(wanted.heads.map(({ name, of }) => [name, of.kana?.shape]));
    for (const [i, { weight }] of [...aligned.segments, ...aligned.heads.map(({ of }) => ({ weight: { kana: of.kana!.weight } }))].entries()) {
      const theirs = [...wanted.segments.map((one) => one.weight.kana!), ...wanted.heads.map(({ of }) => of.kana!.weight)][i]!;
      expect(largestDifference(await opened.tensor(expert.handle, weight.kana!), direct.tensor(theirs))).toBe(0);
    }
  });

  test("a base that is bundled, with its names told, lends its graph as well", async () => {
    mounts["./named"] = [...mounts["./graph-only"]!, mountedFile("names.json", glyphFile("names.json"))];
    const opened = await hub();
    const expert = await opened.model("./kana", undefined, "./named");
    const weight = weightOf(expert, `${query}.weight`);
    expect(largestDifference(await opened.tensor(expert.handle, weight.id), glyphGraph("kana").tensor(weight.id))).toBe(0);
  });

  test("what does not fit is named; a graph nobody can map is told, and what to take", async () => {
    const opened = await hub();
    await expect(opened.model("./short", undefined, "./base")).rejects.toMatchObject({ code: "shape-mismatch", message: expect.stringMatching(/do not fit the graph of \.\/base: .*vit\.encoder\.layer\.\d\.(layernorm_before|attention\.attention\.query)\.weight/) as string });
    await expect(opened.model("./kana", undefined, "./graph-only")).rejects.toMatchObject({ code: "not-found", message: expect.stringContaining("./graph-only has an ONNX graph but no safetensors beside it") as string });
    await expect(opened.model("./kana")).rejects.toMatchObject({ code: "not-found", message: expect.stringContaining("no ONNX graph") as string });
  });
});

describe("an adapter on the base", () => {
  test("stays factors: ranks by weight, and base plus factors is the weight", async () => {
    const opened = await hub();
    const base = await opened.model("./base");
    const tuned = await opened.model("./base+./lora", undefined, "./base");
    const touched = tuned.skeleton.weights.filter(({ id }) => tuned.ranks?.[id] !== 0);
    expect(touched.map(({ id }) => tuned.ranks?.[id])).toEqual([4, 4]);
    expect(touched.map(({ name }) => tuned.names?.tensors[name]?.name).sort()).toEqual([`${query}.weight`, "vit.encoder.layer.1.attention.attention.value.weight"]);
    for (const { id } of tuned.skeleton.weights) {
      const values = await opened.tensor(base.handle, id);
      const factors = await opened.factors(tuned.handle, id);
      const before = values.slice();
      addLowRank(values, factors!, 0);
      expect(largestDifference(await opened.tensor(tuned.handle, id), values)).toBe(0);
      expect(largestDifference(before, values) > 0.01).toBe(tuned.ranks?.[id] !== 0);
    }
    expect(tuned.files.map(({ path }) => path)).toEqual(expect.arrayContaining(["adapter_config.json", "adapter_model.safetensors", "onnx/model.onnx"]));
  });

  test("the same on a model without safetensors whose names are told, and as a base itself", async () => {
    mounts["./named"] = [...mounts["./graph-only"]!, mountedFile("names.json", glyphFile("names.json"))];
    const [opened, other] = [await hub(), await hub()];
    const [named, full] = [await opened.model("./named+./lora", undefined, "./named"), await other.model("./base+./lora")];
    expect(full.ranks).toBeUndefined(); // as a base it is no direction
    const { id } = weightOf(named, `${query}.weight`);
    expect(named.ranks?.[id]).toBe(4);
    // Made in the graph's layout here and in the checkpoint's there: sums of four in f64, one rounding.
    expect(largestDifference(await opened.tensor(named.handle, id), await other.tensor(full.handle, id))).toBe(0);
  });

  test("DoRA is dense where it changes a weight", async () => {
    const opened = await hub();
    const tuned = await opened.model("./base+./dora", undefined, "./base");
    const { id } = weightOf(tuned, `${query}.weight`);
    expect(tuned.ranks?.filter((rank) => rank !== 0)).toEqual([-1]);
    expect(await opened.factors(tuned.handle, id)).toBeNull();
    const [lengths] = [await opened.tensor(tuned.handle, id)].map((values) => Array.from({ length: 80 }, (_, c) => Math.hypot(...Array.from({ length: 80 }, (_, r) => values[r * 80 + c]!))));
    const magnitude = gaussian(80, 72, 0.05);
    lengths!.forEach((length, i) => expect(length).toBeCloseTo(Math.abs(magnitude[i]!), 5)); // each output as long as DoRA says
  });

  test("for another base is refused by name", async () => {
    await expect((await hub()).model("./base+./other", undefined, "./base")).rejects.toMatchObject({ code: "shape-mismatch", message: expect.stringMatching(/^\.\/other is an adapter for another base than \.\/base: model\.layers\.0\.q_proj is not there/) as string });
  });
});
