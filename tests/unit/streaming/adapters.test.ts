/** Folders with an adapter on them (`./model+./adapter`): what PEFT merges first, and errors that say which adapter and which base. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { layOut } from "../../../src/checkpoint/safetensors/layout.ts";
import { openSafetensors } from "../../../src/checkpoint/safetensors/open.ts";
import { bytesSource } from "../../../src/checkpoint/safetensors/source.ts";
import { type Files, folderOf, merge, recipeOf } from "../../fixtures/streaming/local.ts";

const root = fileURLToPath(new URL("../../fixtures/lora/", import.meta.url));
const file = (name: string) => new Uint8Array(readFileSync(`${root}${name}`));
const open = (bytes: Uint8Array<ArrayBuffer>) => openSafetensors([{ path: "model.safetensors", source: bytesSource(bytes) }], { model: "the fixture" });
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

function foldersOf(name: string): Record<string, Files> {
  return {
    "./model": { "model.safetensors": file(`${name}/model.safetensors`) },
    "./adapter": { "adapter_config.json": file(`${name}/adapter_config.json`), "adapter_model.safetensors": file(`${name}/adapter_model.safetensors`), "README.md": text("an adapter") },
  };
}
const merged = async (yaml: string, folders: Record<string, Files>, more = {}) => merge(folders, { recipe: recipeOf(yaml, folders), ...more });
const alone = "merge_method: passthrough\nmodels: [{model: ./model+./adapter}]\n";

describe("a model with an adapter", () => {
  // As in lora.test.ts: PEFT rounds each product and sum to f32.
  const tolerance = 4 * 8 * 2 ** -24;

  test.for(readdirSync(root).sort())("%s is written as PEFT merges it", async (name) => {
    const folders = foldersOf(name);
    const [result, base, wanted] = [(await merged(alone, folders)).checkpoint, await open(folders["./model"]!["model.safetensors"]!), await open(file(`${name}/expected.safetensors`))];
    expect(result.tensors.map((tensor) => tensor.name).sort()).toEqual(base.tensors.map((tensor) => tensor.name).sort());
    for (const tensor of base.tensors) {
      if (!wanted.get(tensor.name)) {
        expect(await result.readRaw(tensor.name), tensor.name).toEqual(await base.readRaw(tensor.name));
        continue;
      }
      const [got, want] = [await result.readF32(tensor.name), await wanted.readF32(tensor.name)];
      expect(Math.max(...got.map((value, i) => Math.abs(value - want[i]!))), tensor.name).toBeLessThan(tolerance);
    }
  });

  // A second expert and the base beside it; DoRA needs whole rows, GPT-2's weights lie the other way round, halves round.
  test.for([["plain", "bfloat16"], ["plain", "float32"], ["dora", "float16"], ["gpt2-dora", "float32"], ["bert", "bfloat16"]] as const)("%s in %s: ties gives the very bytes it gives where the adapter was merged first", async ([name, dtype]) => {
    const folders = foldersOf(name);
    const stored = async (yaml: string, from = folders) => ({ "model.safetensors": (await merged(`${yaml}dtype: ${dtype}\n`, from)).bytes.get("model.safetensors")! });
    const plain = { ...folders, "./model": await stored("merge_method: passthrough\nmodels: [{model: ./model}]\n") };
    const first = { ...plain, "./merged": await stored(alone, plain), "./other": await stored("merge_method: linear\nmodels: [{model: ./model, parameters: {weight: 0.9}}]\nparameters: {normalize: false}\n", plain) };
    const ties = (expert: string) => `merge_method: ties\nbase_model: ./model\nmodels:\n- {model: ${expert}, parameters: {weight: 0.7, density: 0.4}}\n- {model: ./other, parameters: {weight: 0.5, density: 0.6}}\n`;
    const [ours, wanted, again] = [await merged(ties("./model+./adapter"), first), await merged(ties("./merged"), first), await merged(ties("./model+./adapter"), first, { memoryBytes: 192 * 2 ** 20 })];
    expect(ours.report.runs[0]!.digest).toBe(wanted.report.runs[0]!.digest);
    expect(again.report.runs[0]!.digest).toBe(wanted.report.runs[0]!.digest);
    expect(ours.report.runs[0]!.digest).not.toBe((await merged(ties("./model"), { ...first, "./model2": first["./other"] })).report.runs[0]!.digest);
  });

  test("what mergekit makes of several, LoRA, DoRA and a head saved whole, bit for bit", async () => {
    const parity = fileURLToPath(new URL("../../fixtures/parity/", import.meta.url));
    const folders = Object.fromEntries([...["base", "math", "code"].map((name) => [`./${name}`, folderOf(`${parity}family/bfloat16/${name}`)] as const), ...["lora", "dora", "head"].map((name) => [`./${name}`, folderOf(`${parity}adapters/${name}`)] as const)]);
    const [ours, theirs] = [await merged(readFileSync(`${parity}adapters/merge.yml`, "utf8"), folders), await open(new Uint8Array(readFileSync(`${parity}adapters/merged.safetensors`)))];
    expect(theirs.tensors).toHaveLength(30);
    for (const { name } of theirs.tensors) expect(await ours.checkpoint.readRaw(name), name).toEqual(await theirs.readRaw(name));
  });

  test("as mergekit's long form, named again in what is written", async () => {
    const folders = foldersOf("plain");
    const long = await merged("merge_method: passthrough\nmodels: [{model: {model: ./model, lora: ./adapter}}]\n", folders);
    expect(long.report.runs[0]!.digest).toBe((await merged(alone, folders)).report.runs[0]!.digest);
    expect(long.report.recipe).toMatchObject({ experts: [{ model: "./model+./adapter" }] });
  });
});

describe("what is refused", () => {
  const failing = (folders: Record<string, Files>) => expect(merged(alone, folders)).rejects;
  const config = JSON.parse(new TextDecoder().decode(file("plain/adapter_config.json"))) as object;

  test("an adapter of another base: which modules, which base it says it had", async () => {
    await failing({ ...foldersOf("plain"), "./model": foldersOf("bert")["./model"]! }).toMatchObject({
      code: "shape-mismatch", message: expect.stringMatching(/^\.\/adapter is an adapter for another base than \.\/model: .*q_proj.* is not there.* trained on example\/llama/),
    });
  });

  test("a folder that is no adapter, a pickled one, another kind", async () => {
    const { "./adapter": adapter, ...rest } = foldersOf("plain");
    const { "adapter_model.safetensors": _, ...without } = adapter!;
    await failing({ ...rest, "./adapter": rest["./model"]! }).toMatchObject({ code: "not-found", message: expect.stringContaining("./adapter is no LoRA adapter") });
    await failing({ ...rest, "./adapter": { ...without, "adapter_model.bin": text("") } }).toMatchObject({ code: "not-found", message: expect.stringMatching(/no adapter_model\.safetensors in \.\/adapter.*pickle/) });
    await failing({ ...rest, "./adapter": { ...adapter, "adapter_config.json": text({ ...config, peft_type: "IA3" }) } }).toMatchObject({ message: expect.stringContaining("IA3") });
  });

  test("a tensor that the adapter brings whole, in another shape", async () => {
    const { "./model": model, "./adapter": adapter } = foldersOf("bert");
    const wider = await open(adapter!["adapter_model.safetensors"]!);
    const tensors = await Promise.all(wider.tensors.map(async ({ name, dtype, shape }) => {
      const bytes = await wider.readRaw(name);
      return /classifier.*weight/.test(name) ? { name, dtype, shape: [2 * shape[0]!, shape[1]!], bytes: new Uint8Array([...bytes, ...bytes]) } : { name, dtype, shape, bytes };
    }));
    const [laid] = layOut(tensors).files;
    const weights = new Uint8Array([...laid!.header, ...laid!.tensors.flatMap(({ name }) => [...tensors.find((one) => one.name === name)!.bytes])]);
    await failing({ "./model": model!, "./adapter": { ...adapter, "adapter_model.safetensors": weights } }).toMatchObject({ code: "shape-mismatch", message: expect.stringMatching(/\.\/adapter brings classifier\.weight whole, as 4×8, but it is 2×8 in \.\/model/) });
  });
});
