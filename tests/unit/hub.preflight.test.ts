/** The look before a merge: from headers alone, in seconds and little to read, also where files are as large as a real model's. */
import "fake-indexeddb/auto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { encodeModel } from "../../src/checkpoint/onnx/proto.ts";
import { parseModel } from "../../src/checkpoint/onnx/read.ts";
import { pick } from "../../src/hub/pick.ts";
import { Hub } from "../../src/hub/hub.ts";
import { bytesOf } from "../fixtures/onnx/load.ts";
import { type LocalHub, openLocalHub } from "../fixtures/hub/local.ts";
import { llama, putSharded, safetensors, type Shapes } from "../fixtures/hub/safetensors.ts";

let local: LocalHub;
let visits = 0;
const config = { model_type: "llama", num_hidden_layers: 32, hidden_size: 4096, vocab_size: 32_000 };
const small: Shapes = { "bert.embeddings.word_embeddings.weight": [50, 8], "bert.encoder.layer.0.attention.self.query.weight": [8, 8], "bert.encoder.layer.0.attention.self.query.bias": [8] };
const classifier = (labels: number): Shapes => ({ ...small, "classifier.weight": [labels, 8], "classifier.bias": [labels] });
let bytes7B = 0;

/** Larger than what is read whole: a graph with three weights of 4 MiB inside. */
function heavy(): Uint8Array {
  const model = parseModel(bytesOf("base.onnx"), "x");
  for (const tensor of model.graph.initializer.slice(0, 3)) Object.assign(tensor, { dims: [1024n, 1024n], floatData: [], rawData: new Uint8Array(4 << 20) });
  return encodeModel(model);
}

beforeAll(async () => {
  local = await openLocalHub({ tokens: { hf_local: "local" } });
  bytes7B = putSharded(local.dir, "big/base", llama(), 3, config);
  putSharded(local.dir, "big/expert", llama(), 8, config);
  putSharded(local.dir, "big/words", llama({ vocabulary: 32_016 }), 2, { ...config, vocab_size: 32_016 });
  putSharded(local.dir, "big/deep", llama({ layers: 40 }), 3, { ...config, num_hidden_layers: 40 });
  putSharded(local.dir, "big/wide", llama({ width: 5120 }), 3, config);
  local.put("big/base", "README.md", "---\nlicense: llama2\n---\n");
  local.put("big/expert", "README.md", "---\nlicense: other\nlicense_name: house-rules\nbase_model: big/other\n---\n");
  const graph = bytesOf("base.onnx");
  local.put("big/graph", "onnx/model.onnx", graph);
  local.put("big/graph", "config.json", config);

  for (const [name, labels] of [["base", 2], ["three", 3]] as const) {
    local.put(`bert/${name}`, "model.safetensors", safetensors(classifier(labels)));
    local.put(`bert/${name}`, "config.json", { model_type: "bert", num_hidden_layers: 1, id2label: Object.fromEntries(Array.from({ length: labels }, (_, i) => [i, `l${i}`])) });
    local.put(`bert/${name}`, "tokenizer.json", {});
  }
  local.put("bert/base", "onnx/model.onnx", graph);
  local.put("bert/body", "model.safetensors", safetensors(Object.fromEntries(Object.entries(small).map(([name, shape]) => [name.replace("bert.", ""), shape]))));
  local.put("bert/body", "config.json", { model_type: "bert", num_hidden_layers: 1 });
  local.put("vit/one", "model.safetensors", safetensors({ "vit.x": [3] }));
  local.put("vit/one", "config.json", { model_type: "vit" });
  const factors = (module: string, out: number): Shapes => ({ [`base_model.model.${module}.lora_A.weight`]: [2, 8], [`base_model.model.${module}.lora_B.weight`]: [out, 2] });
  for (const [name, out] of [["lora", 8], ["lora-of-another", 16]] as const) {
    local.put(`bert/${name}`, "adapter_model.safetensors", safetensors(factors("bert.encoder.layer.0.attention.self.query", out)));
    local.put(`bert/${name}`, "adapter_config.json", { peft_type: "LORA", r: 2, lora_alpha: 4, base_model_name_or_path: name === "lora" ? "bert/base" : "bert/large" });
  }
  for (const name of ["a", "b"]) local.put(`onnx/${name}`, "onnx/model.onnx", graph);
  for (const name of ["renamed", "sigmoid", "wide"] as const) local.put(`onnx/${name}`, "onnx/model.onnx", bytesOf(`${name}.onnx`));
  local.put("onnx/heavy", "onnx/model.onnx", heavy());
  local.put("onnx/empty", "onnx/model.onnx", new Uint8Array(3_000_000));
  const t5 = (tied: boolean): Shapes => ({ "shared.weight": [40, 8], ...(tied ? { "encoder.embed_tokens.weight": [40, 8], "decoder.embed_tokens.weight": [40, 8] } : {}), "encoder.block.0.layer.0.SelfAttention.q.weight": [8, 8], "decoder.block.0.layer.0.SelfAttention.q.weight": [8, 8], "lm_head.weight": [40, 8] });
  for (const [name, tied] of [["base", false], ["expert", true]] as const) {
    local.put(`t5/${name}`, "model.safetensors", safetensors(t5(tied)));
    local.put(`t5/${name}`, "config.json", { model_type: "t5", num_layers: 1 });
  }
  for (const file of ["encoder_model.onnx", "decoder_model_merged.onnx"]) local.put("t5/base", `onnx/${file}`, graph);
});
afterAll(() => local.close());
beforeEach(() => {
  local.log.length = 0;
});

async function hub(): Promise<Hub> {
  const opened = new Hub();
  await opened.open({ assets: "https://site.test/", storage: `preflight-${++visits}`, mounts: {}, hub: local.url, viewer: local.viewer });
  return opened;
}
const look = async (base: string, experts: string[], graph?: string) => (await hub()).preflight({ base, experts, ...(graph === undefined ? {} : { graph }) });

describe("two models of 7B in shards", () => {
  test("fit: told within 2 s from less than 1 MB", async () => {
    const opened = await hub();
    const began = performance.now();
    const told = await opened.preflight({ base: "big/base", experts: ["big/expert"], graph: "big/graph" });
    const ms = performance.now() - began;
    const sent = local.log.reduce((sum, { sent: bytes }) => sum + bytes, 0);
    console.log(`preflight of two 7B repositories (3 and 8 shards): ${sent} bytes read, ${ms.toFixed(0)} ms, ${local.log.length} requests`);
    expect(sent).toBeLessThan(1_000_000);
    expect(ms).toBeLessThan(2000);
    expect(told).toMatchObject({ fits: true, problems: [], shared: { tensors: 291, parameters: 6_738_415_616 } });
    expect(told.readBytes).toBeLessThan(1_000_000);
    expect(told.models.map(({ licence, format, dtypes, parameters }) => [licence, format, dtypes, parameters])).toEqual([
      ["llama2", "safetensors", ["BF16"], 6_738_415_616],
      ["house-rules", "safetensors", ["BF16"], 6_738_415_616],
    ]);
    expect(told.models[0]?.bytes).toBeGreaterThan(bytes7B);
    expect(told.downloadBytes).toBeGreaterThan(4 * 6_738_415_616);
    // Base, one direction and a slot.
    expect(told.memoryBytes).toEqual({ f32: 12 * 6_738_415_616, f16: 8 * 6_738_415_616 });
    expect(told.notes).toContainEqual("big/expert says it was tuned from big/other, not from big/base.");
    expect(told.models.every(({ commit }) => /^[0-9a-f]{40}$/.test(commit ?? ""))).toBe(true);
  });

  test("another depth, another width, another vocabulary", async () => {
    const deep = await look("big/base", ["big/deep"], "big/graph");
    expect(deep.fits).toBe(false);
    expect(deep.problems).toMatchObject([{ kind: "layers", model: "big/deep", message: expect.stringMatching(/has 40 layers, but big\/base has 32/) as string }]);
    const wide = await look("big/base", ["big/wide"], "big/graph");
    expect(wide.problems[0]).toMatchObject({ kind: "shape", tensor: "model.embed_tokens.weight", shape: [32_000, 5120], baseShape: [32_000, 4096] });
    expect(wide.problems).toHaveLength(6);
    expect(wide.problems.at(-1)?.message).toMatch(/more tensors of big\/wide do not fit; 0 tensors would/);
    const words = await look("big/base", ["big/words"], "big/graph");
    expect(words.fits).toBe(true);
    expect(words.shared?.tensors).toBe(289);
    expect(words.notes).toContainEqual(expect.stringMatching(/another vocabulary \(model.embed_tokens.weight is 32016×4096\)/));
  });

  test("without a graph anywhere: which one to add", async () => {
    const told = await look("big/base", ["big/expert"]);
    expect(told).toMatchObject({ fits: false, problems: [{ kind: "no-graph", message: expect.stringMatching(/None of these has an ONNX graph.*onnx-community.*optimum-cli/) as string }] });
  });
});

describe("smaller ones", () => {
  test("heads are told and do not stand in the way; the graph's own repository gives both", async () => {
    const told = await look("bert/base", ["bert/three", "bert/body"]);
    expect(told).toMatchObject({ fits: true, problems: [], shared: { tensors: 3 } });
    expect(told.notes).toContainEqual(expect.stringMatching(/bert\/three keeps 2 tensors of its own as its head: classifier\.weight, classifier\.bias/));
    expect(told.models[0]?.files.map(({ path }) => path)).toEqual(["config.json", "model.safetensors", "onnx/model.onnx", "tokenizer.json"]);
    expect(told.models[1]?.files.map(({ path }) => path)).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  });

  test("what is in the cache costs nothing", async () => {
    const opened = await hub();
    const before = await opened.preflight({ base: "onnx/a", experts: ["onnx/b"] });
    expect(before).toMatchObject({ fits: true, cachedBytes: 2 * bytesOf("base.onnx").length, downloadBytes: 0 });
    const { models } = await opened.preflight({ base: "bert/base", experts: ["bert/three"] });
    expect(models[0]?.files.find(({ path }) => path === "config.json")?.cached).toBe(true);
    expect(models[0]?.files.find(({ path }) => path === "model.safetensors")?.cached).toBe(false);
  });

  test("other kinds of model, small graphs by their shapes, large ones by their outlines", async () => {
    expect((await look("bert/base", ["vit/one"])).problems).toMatchObject([{ kind: "architecture", message: expect.stringMatching(/vit\/one is a vit, but bert\/base is a bert/) as string }]);
    // Other names, another order of export, three labels instead of four.
    expect(await look("onnx/sigmoid", ["onnx/renamed"])).toMatchObject({ fits: true, notes: expect.arrayContaining([expect.stringMatching(/renamed keeps 2 tensors of its own/)]) as string[] });
    expect((await look("onnx/sigmoid", ["onnx/wide"])).problems[0]).toMatchObject({ kind: "shape", model: "onnx/wide", baseShape: [8, 6], shape: [8, 5] });
    // The exporter left equal tensors out of one: only aligning tells.
    expect(await look("onnx/a", ["onnx/renamed"])).toMatchObject({ fits: null });
    expect(await look("onnx/a", ["onnx/wide"])).toMatchObject({ fits: false, problems: [{ kind: "architecture", message: expect.stringMatching(/not the same network/) as string }] });
    local.log.length = 0;
    expect(await look("onnx/heavy", ["onnx/heavy@main"])).toMatchObject({ fits: true, shared: { parameters: 3 * 1024 * 1024 + 82 } });
    expect(local.log.filter(({ on }) => on === "cdn").reduce((sum, { sent }) => sum + sent, 0)).toBeLessThan(700_000);
    expect(await look("onnx/a", ["onnx/empty"])).toMatchObject({ fits: false, problems: [{ model: "onnx/empty", kind: "unreadable", message: expect.stringMatching(/is not an ONNX file/) as string }] });
  });

  test("adapters: of this base, and of another", async () => {
    expect(await look("bert/base", ["bert/lora"])).toMatchObject({ fits: true, models: [{}, { format: "lora" }] });
    const behind = await look("bert/base", ["bert/base+bert/lora", "bert/three"]);
    expect(behind).toMatchObject({ fits: true, models: [{}, { format: "lora", files: [{ path: "adapter_config.json" }, { path: "adapter_model.safetensors" }] }, {}] });
    expect(local.log.filter(({ on, path }) => on === "cdn" || /model\.safetensors$/.test(path)).every(({ sent }) => sent < 70_000)).toBe(true);
    // Base, one direction and a slot of what is shared; the factors as they are.
    const shared = 50 * 8 + 8 * 8 + 8;
    expect(behind.memoryBytes).toEqual({ f32: 4 * (3 * shared + 32), f16: 8 * shared + 4 * 32 });
    expect(await look("bert/base", ["bert/base+bert/three"])).toMatchObject({ fits: false, problems: [{ kind: "adapter", message: expect.stringMatching(/bert\/three is no adapter/) as string }] });
    const other = await look("bert/base", ["bert/lora-of-another"]);
    expect(other.problems).toMatchObject([{ kind: "adapter", message: expect.stringMatching(/16×8, but in bert\/base it is 8×8: it is an adapter for another base \(its own words: bert\/large\)/) as string }]);
  });

  test("an encoder and a decoder; embeddings that stand for the shared ones; a base without a graph", async () => {
    const told = await look("t5/base", ["t5/expert"]);
    expect(told).toMatchObject({ fits: true, problems: [], shared: { tensors: 4 } });
    expect(told.models[0]?.files.map(({ path }) => path)).toEqual(["config.json", "model.safetensors", "onnx/decoder_model_merged.onnx", "onnx/encoder_model.onnx"]);
    expect(await look("t5/expert", ["t5/base"])).toMatchObject({ fits: false, problems: [{ kind: "no-graph", message: expect.stringMatching(/t5\/expert has no ONNX graph.*the base's is the one that is run/) as string }] });
  });

  test("one that cannot be read does not hide the others", async () => {
    const told = await look("bert/base", ["bert/nothing", "bert/three"]);
    expect(told.fits).toBe(false);
    expect(told.models[1]).toMatchObject({ ref: "bert/nothing", error: { code: "gated" } });
    expect(told.models[2]).toMatchObject({ ref: "bert/three", error: null, tensors: 5 });
    expect(told.problems).toMatchObject([{ model: "bert/nothing", kind: "unreadable" }]);
  });

  test("a repository that moved on is seen", async () => {
    const opened = await hub();
    local.put("moving/one", "onnx/model.onnx", bytesOf("base.onnx"));
    const first = (await opened.preflight({ base: "moving/one", experts: [] })).models[0]?.commit;
    local.put("moving/one", "config.json", { model_type: "mlp" });
    const second = (await opened.preflight({ base: "moving/one", experts: [] })).models[0]?.commit;
    expect(second).not.toBe(first);
    expect((await opened.model("moving/one")).revision).toBe(second);
  });

  test("damaged headers are refused by name", async () => {
    const broken = safetensors(small);
    new DataView(broken.buffer).setBigUint64(0, 10n ** 12n, true);
    local.put("bert/broken", "model.safetensors", broken);
    expect((await look("bert/base", ["bert/broken"])).problems).toMatchObject([{ kind: "unreadable", message: expect.stringMatching(/bert\/broken\/model\.safetensors.*1000000000000 bytes/) as string }]);
  });
});

describe("which files are taken", () => {
  test.for([
    [["onnx/model_fp16.onnx", "model.onnx", "onnx/model.onnx", "onnx/model_q4.onnx"], ["onnx/model.onnx float32"]],
    [["onnx/model_fp16.onnx", "onnx/model_quantized.onnx"], ["onnx/model_fp16.onnx float16"]],
    [["onnx/model.onnx", "onnx/model.onnx_data", "onnx/model.onnx_data_1", "onnx/model_fp16.onnx_data"], ["onnx/model.onnx float32 onnx/model.onnx_data onnx/model.onnx_data_1"]],
    [["onnx/encoder_model.onnx", "onnx/decoder_model_merged.onnx", "onnx/decoder_model.onnx"], ["onnx/encoder_model.onnx float32", "onnx/decoder_model_merged.onnx float32"]],
    [["onnx/decoder_model_merged.onnx"], ["onnx/decoder_model_merged.onnx float32"]],
    [["onnx/model_int8.onnx"], []],
  ] as const)("%j", ([paths, expected]) => {
    expect(pick(paths).graphs.map(({ path, dtype, external }) => [path, dtype, ...external].join(" "))).toEqual(expected);
  });

  test("shards all together or not at all; refusals name what to take", () => {
    expect(pick(["model-00002-of-00002.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"]).safetensors).toEqual({ files: ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"], index: "model.safetensors.index.json" });
    expect(() => pick(["model-00001-of-00002.safetensors"])).toThrow(/model-00002-of-00002\.safetensors is missing/);
    const { refused } = pick(["pytorch_model.bin", "model.safetensors", "onnx/model_q4f16.onnx", "onnx/model.onnx", "training_args.bin", "x.gguf"]);
    expect(refused.map(({ path, why }) => `${path} ${why}`)).toEqual([
      expect.stringMatching(/^pytorch_model\.bin is a Python pickle.*Take model\.safetensors, which is there too$/),
      expect.stringMatching(/^onnx\/model_q4f16\.onnx is quantised \(q4f16\).*Take onnx\/model\.onnx$/),
      expect.stringMatching(/^x\.gguf is a GGUF file/),
    ]);
  });
});
