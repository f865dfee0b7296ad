/** Adapters against what PEFT 0.21 itself makes of them (tools/fixtures/lora_fixtures.py). */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type AdaptedCheckpoint, withAdapter } from "../../../src/checkpoint/lora/adapted.ts";
import { openAdapter } from "../../../src/checkpoint/lora/adapter.ts";
import { addLowRank, transposed } from "../../../src/checkpoint/lora/factors.ts";
import { fit } from "../../../src/checkpoint/lora/fit.ts";
import { openSafetensors } from "../../../src/checkpoint/safetensors/open.ts";
import { isLabError, type LabError } from "../../../src/lib/error.ts";
import { inMemory } from "../../fixtures/safetensors/load.ts";

const root = new URL("../../fixtures/lora/", import.meta.url);
const cases = readdirSync(root).sort();
const bytes = (path: string) => new Uint8Array(readFileSync(new URL(path, root)));
const text = (path: string) => new TextDecoder().decode(bytes(path));
const checkpoint = (path: string) => openSafetensors(inMemory({ "model.safetensors": bytes(path) }), { model: path });

interface Changes {
  config?: Record<string, unknown>;
  weights?: Uint8Array<ArrayBuffer>;
}
async function adapterOf(name: string, { config, weights }: Changes = {}) {
  const told = config ? JSON.stringify({ ...(JSON.parse(text(`${name}/adapter_config.json`)) as object), ...config }) : text(`${name}/adapter_config.json`);
  return openAdapter(inMemory({ "adapter_config.json": told, "adapter_model.safetensors": weights ?? bytes(`${name}/adapter_model.safetensors`) }), { name: `the adapter ${name}` });
}
const adapted = async (name: string, changes?: Changes): Promise<AdaptedCheckpoint> =>
  withAdapter(await checkpoint(`${name}/model.safetensors`), await adapterOf(name, changes), { base: "the base" });

async function refusal(promise: Promise<unknown>): Promise<LabError> {
  const error = await promise.then(() => null, (thrown: unknown) => thrown);
  if (isLabError(error)) return error;
  throw new Error(`was not refused with a sentence: ${String(error)}`);
}

// PEFT rounds B·A, s·B·A and the sum to f32 each, and DoRA's lengths besides; numbers here are below 4.
const tolerance = 4 * 8 * 2 ** -24;

describe("a base with an adapter on it", () => {
  test("every kind is among the fixtures", () => {
    expect(cases).toEqual(["bert", "bert-bias", "dora", "gpt2", "gpt2-dora", "patterns", "plain", "vit", "vit-dora"]);
  });

  test.for(cases)("%s: the weights that PEFT merges, and no others changed", async (name) => {
    const [model, base, wanted] = [await adapted(name), await checkpoint(`${name}/model.safetensors`), await checkpoint(`${name}/expected.safetensors`)];
    expect(model.tensors.map((tensor) => tensor.name)).toEqual(base.tensors.map((tensor) => tensor.name));
    expect(wanted.tensors.length).toBeGreaterThan(0);
    for (const tensor of base.tensors) {
      const got = await model.readF32(tensor.name);
      const before = await base.readF32(tensor.name);
      if (!wanted.get(tensor.name)) {
        expect(got, tensor.name).toEqual(before);
        continue;
      }
      const merged = await wanted.readF32(tensor.name);
      const apart = (a: Float32Array, b: Float32Array) => Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? NaN))));
      expect(apart(got, merged), tensor.name).toBeLessThan(tolerance);
      expect(apart(before, merged), tensor.name).toBeGreaterThan(100 * tolerance); // the adapter does something there
    }
  });

  test.for(cases)("%s: any range is that part of the whole, into an array of the caller's too", async (name) => {
    const model = await adapted(name);
    for (const { name: tensor, elements } of model.tensors) {
      const whole = await model.readF32(tensor);
      // Within a row, over the end of one, over several, nothing.
      for (const [from, to] of [[1, 4], [5, Math.min(elements, 19)], [elements - 1, elements], [2, 2]] as const) {
        if (to > elements || from > to) continue;
        const into = new Float32Array(elements + 3).fill(9);
        const got = await model.readF32(tensor, from, to, into);
        expect(got, tensor).toEqual(whole.subarray(from, to));
        expect(got.buffer).toBe(into.buffer);
        expect(await model.readF32(tensor, from, to)).toEqual(whole.subarray(from, to));
        expect(new Float32Array((await model.readRaw(tensor, from, to)).slice().buffer)).toEqual(whole.slice(from, to));
      }
    }
  });

  test("changes of low rank are told by their factors", async () => {
    for (const name of ["plain", "patterns", "gpt2", "bert", "vit"]) {
      const [model, base] = [await adapted(name), await checkpoint(`${name}/model.safetensors`)];
      const low = model.tensors.filter((tensor) => model.change(tensor.name) === "low-rank");
      expect(low.length).toBeGreaterThan(1);
      for (const tensor of low) {
        const factors = await model.lowRank(tensor.name);
        if (!factors) throw new Error("no factors");
        const again = (await base.readF32(tensor.name)).slice();
        addLowRank(again, factors, 0);
        expect(again).toEqual(await model.readF32(tensor.name));
        // And the same change of the transposed weight.
        const [straight, across] = [new Float32Array(tensor.elements), new Float32Array(tensor.elements)];
        addLowRank(straight, factors, 0);
        addLowRank(across, transposed(factors), 0);
        expect(across).toEqual(straight.map((_, i) => straight[(i % factors.rows) * factors.columns + Math.floor(i / factors.rows)] as number));
      }
    }
    const [dora, bert] = [await adapted("dora"), await adapted("bert")];
    expect(dora.change("model.layers.0.self_attn.q_proj.weight")).toBe("dense");
    expect(await dora.lowRank("model.layers.0.self_attn.q_proj.weight")).toBeNull();
    expect(bert.change("classifier.weight")).toBe("dense");
    expect(bert.change("bert.pooler.dense.weight")).toBe("none");
  });

  test("the base is left as it was", async () => {
    const base = await checkpoint("plain/model.safetensors");
    const before = (await base.readF32("model.layers.0.self_attn.q_proj.weight")).slice();
    await withAdapter(base, await adapterOf("plain"), { base: "the base" }).readF32("model.layers.0.self_attn.q_proj.weight");
    expect(await base.readF32("model.layers.0.self_attn.q_proj.weight")).toEqual(before);
  });
});

describe("refused, with the reason", () => {
  test("an adapter for another base: modules that are not there, and shapes", async () => {
    const none = await refusal(checkpoint("bert/model.safetensors").then(async (base) => withAdapter(base, await adapterOf("plain"), { base: "BERT" })));
    expect(none.code).toBe("shape-mismatch");
    expect(none.message).toMatch(/^the adapter plain is an adapter for another base than BERT: model\.layers\.0\.mlp\.down_proj is not there; .* and 3 more\. It says it was trained on example\/llama\./);
    // Every module is there, but one is of another width.
    const gpt2 = await checkpoint("gpt2/model.safetensors");
    const tensors = gpt2.tensors.map((tensor) => (tensor.name.endsWith("mlp.c_proj.weight") ? { ...tensor, shape: [32, 9], elements: 288 } : tensor));
    const gpt = await refusal(adapterOf("gpt2").then((adapter) => fit(adapter, { name: "GPT", tensors })));
    expect(gpt.message).toContain("transformer.h.0.mlp.c_proj is 32×9 but the adapter's is 8×32");
    expect(gpt.details).toMatchObject({ modules: ["transformer.h.0.mlp.c_proj"] });
  });

  test.for([
    [{ peft_type: "IA3" }, /kind "IA3"/],
    [{ init_lora_weights: "pissa_niter_4" }, /began as "pissa_niter_4".*base's own weights/],
    [{ init_lora_weights: "loftq" }, /loftq/],
    [{ layer_replication: [[0, 2]] }, /layer_replication/],
    [{ target_parameters: ["experts.w"] }, /target_parameters/],
    [{ use_qalora: true }, /use_qalora/],
    [{ kasa_config: { beta: 1 } }, /kasa_config/],
    [{ r: "eight" }, /r is not as PEFT writes it/],
    [{ r: 3 }, /has rank 3, but its A is 2×/],
    [{ alpha_pattern: { "(a+)+": 2 } }, /pattern "\(a\+\)\+"/],
    [{ alpha_pattern: { "(": 2 } }, /pattern "\("/],
    [{ use_dora: true }, /DoRA, but has no magnitudes/],
  ] as const)("a configuration with %j", async ([config, message]) => {
    expect((await refusal(adapterOf("plain", { config }))).message).toMatch(message);
  });

  test("files that are something else, and missing ones", async () => {
    const config = text("plain/adapter_config.json");
    expect((await refusal(openAdapter(inMemory({ "adapter_config.json": config, "adapter_model.bin": "PK" }), { name: "x" }))).message).toMatch(/adapter_model\.bin is a Python pickle.*adapter_model\.safetensors/);
    expect((await refusal(openAdapter(inMemory({ "adapter_model.safetensors": bytes("plain/adapter_model.safetensors") }), { name: "x" }))).message).toMatch(/There is no adapter_config\.json in x/);
    expect((await refusal(adapterOf("plain", { weights: bytes("plain/model.safetensors") }))).message).toMatch(/holds no LoRA factors/);
    expect((await refusal(openAdapter(inMemory({ "adapter_config.json": "{", "adapter_model.safetensors": bytes("plain/adapter_model.safetensors") }), { name: "x" }))).message).toMatch(/is not JSON/);
  });

  test("half a pair, and tensors of other kinds of adapters", async () => {
    const rename = (from: string, to: string) => {
      const file = bytes("plain/adapter_model.safetensors");
      const at = new TextDecoder("latin1").decode(file).indexOf(from);
      expect(from.length).toBe(to.length);
      file.set(new TextEncoder().encode(to), at);
      return file;
    };
    expect((await refusal(adapterOf("plain", { weights: rename("q_proj.lora_A.weight", "z_proj.lora_A.weight") }))).message).toMatch(/has A of "model\.layers\.0\.self_attn\.z_proj" but not B|has B of .* but not A/);
    expect((await refusal(adapterOf("plain", { weights: rename("q_proj.lora_A.weight", "q_proj.lora_E.weight") }))).message).toMatch(/lora_E.*no part of a LoRA/);
  });
});
