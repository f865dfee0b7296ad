/** Plans from headers alone: what is refused and how it is said, what is tied, carried, laid out anew; and the files beside the weights. */
import { describe, expect, test } from "vitest";
import { isLabError } from "../../src/lib/error.ts";
import type { MergeRun } from "../../src/methods/runs.ts";
import { resultFiles } from "../../src/recipe/plan/files.ts";
import { findStacks, layerOf } from "../../src/recipe/plan/layers.ts";
import { isListed, isVocabulary, standsAfter } from "../../src/recipe/plan/names.ts";
import { modelsOf, planMerge } from "../../src/recipe/plan/plan.ts";
import { extended, readTokenizer, stripped } from "../../src/recipe/plan/tokenizer.ts";
import type { HeaderTensor, MergedTensor, ModelHeader } from "../../src/recipe/plan/types.ts";
import { layRows, layVocabulary } from "../../src/recipe/plan/vocabulary.ts";
import { parseRecipe } from "../../src/recipe/schema.ts";
import { gatherRows } from "../../src/streaming/rows.ts";

type Shapes = Readonly<Record<string, readonly number[] | readonly [string, ...number[]]>>;

const LLAMA = { architectures: ["LlamaForCausalLM"], model_type: "llama", num_hidden_layers: 2, vocab_size: 8, torch_dtype: "float32" };

/** A shape, or [dtype, ...shape]. */
function header(id: string, shapes: Shapes, config: Record<string, unknown> | null = LLAMA, dtype: HeaderTensor["dtype"] = "F32"): ModelHeader {
  const tensors = Object.entries(shapes).map(([name, [first, ...rest]]): HeaderTensor =>
    typeof first === "string" ? { name, dtype: first as HeaderTensor["dtype"], shape: rest as number[] } : { name, dtype, shape: [...(first === undefined ? [] : [first]), ...(rest as number[])] });
  return { id, tensors, config };
}

function llama(layers = 2, vocabulary = 8, head = true): Record<string, readonly number[]> {
  return {
    "model.embed_tokens.weight": [vocabulary, 4],
    ...Object.assign({}, ...Array.from({ length: layers }, (_, i) => ({ [`model.layers.${i}.mlp.up_proj.weight`]: [6, 4], [`model.layers.${i}.input_layernorm.weight`]: [4] }))),
    "model.norm.weight": [4],
    ...(head ? { "lm_head.weight": [vocabulary, 4] } : {}),
  };
}

interface Asked {
  readonly run?: Record<string, unknown>;
  readonly more?: Record<string, unknown>;
  readonly models?: readonly ModelHeader[];
  readonly experts?: readonly string[];
}

function plan({ run = { method: "linear" }, more = {}, models, experts = ["a", "b"] }: Asked) {
  const recipe = parseRecipe({ murmuration: 1, base: { model: "./base" }, experts: experts.map((id) => ({ id, model: `./${id}` })), out_dtype: "auto", runs: [run], ...more });
  const merge = recipe.runs[0] as MergeRun;
  const given = models ?? ["base", ...experts].map((id) => header(id, llama()));
  return planMerge(recipe, merge, { models: given });
}

const job = (made: ReturnType<typeof plan>, name: string) => made.tensors.find((tensor) => tensor.name === name) as MergedTensor;

function refusal(asked: Asked): string {
  try {
    plan(asked);
  } catch (error) {
    if (isLabError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "nothing was refused";
}

describe("a plan", () => {
  test("counts parameters and bytes, knows whose config the result has", () => {
    const made = plan({ run: { method: "ties" } });
    const elements = 8 * 4 * 2 + 2 * (24 + 4) + 4;
    expect(made).toMatchObject({ models: ["base", "a", "b"], donor: "base", parameters: elements, readBytes: 3 * 4 * elements, writeBytes: 4 * elements });
    expect(job(made, "model.norm.weight")).toMatchObject({ dtype: "F32", job: { base: 2, dtype: "float32", seed: 7, layer: null, inputs: [{ id: "a" }, { id: "b" }, { id: "base", parameters: {} }] } });
    expect(job(made, "model.layers.1.input_layernorm.weight").job.layer).toBe(1);
  });

  test("goes through structuredClone: it may be posted", () => {
    const made = plan({ run: { method: "ties" } });
    expect(structuredClone(made)).toEqual(made);
  });

  test("linear leaves the base alone unless the run names it", () => {
    expect(plan({}).models).toEqual(["base", "a", "b"]); // its config is the result's
    expect(job(plan({}), "model.norm.weight").job.inputs.map(({ id }) => id)).toEqual(["a", "b"]);
    const named = plan({ run: { method: "linear", models: ["base", "a"], weights: { a: 3 } }, more: { base: { model: "./base", parameters: { weight: 2 } } } });
    expect(job(named, "model.norm.weight").job).toMatchObject({ base: null, inputs: [{ id: "base", parameters: { weight: 2 } }, { id: "a", parameters: { weight: 3 } }] });
  });

  test("a run's own value holds for all models that have none", () => {
    const more = { experts: [{ id: "a", model: "./a", parameters: { density: 0.5 } }, { id: "b", model: "./b" }] };
    expect(job(plan({ run: { method: "ties", density: 0.2 }, more }), "model.norm.weight").job.inputs.map(({ parameters }) => parameters.density)).toEqual([0.5, 0.2, undefined]);
  });

  test("types: mergekit's dtype, else what holds all inputs; out_dtype last", () => {
    const models = [header("base", llama()), header("a", llama(), LLAMA, "BF16"), header("b", llama(), LLAMA, "BF16")];
    const of = (more: Record<string, unknown>, list = models) => {
      const made = plan({ models: list, more });
      return [job(made, "model.norm.weight").job.dtype, job(made, "model.norm.weight").dtype, made.config?.torch_dtype];
    };
    expect(of({})).toEqual(["bfloat16", "BF16", "bfloat16"]);
    expect(of({ dtype: "float16" })).toEqual(["float16", "F16", "float16"]);
    expect(of({ out_dtype: "float32" })).toEqual(["bfloat16", "F32", "float32"]);
    expect(of({}, [models[0]!, models[1]!, header("b", llama(), LLAMA, "F16")])).toEqual(["float32", "F32", "float32"]);
    const doubles = plan({ models: [models[0]!, header("a", llama(), LLAMA, "F64"), header("b", llama(), LLAMA, "F64")] });
    expect(doubles.warnings.map(({ code }) => code)).toEqual(["float64-as-float32", "float64-as-float32"]);
    expect(job(doubles, "model.norm.weight").dtype).toBe("F32");
  });

  test("a head that one model has tied to its embeddings", () => {
    const made = plan({ models: [header("base", llama()), header("a", llama()), header("b", llama(2, 8, false))] });
    expect(job(made, "lm_head.weight").inputs.map(({ tensor }) => tensor)).toEqual(["lm_head.weight", "model.embed_tokens.weight"]);
    expect(made.warnings).toEqual([{ code: "tied", message: "b (./b) has no lm_head.weight; its model.embed_tokens.weight stands in for it." }]);
    const none = plan({ models: ["base", "a", "b"].map((id) => header(id, llama(2, 8, false))) });
    expect(none.tensors.some(({ name }) => name === "lm_head.weight")).toBe(false);
  });

  test("integers are carried from the base, bytes as they are; the others are named", () => {
    const made = plan({ run: { method: "ties" }, models: ["base", "a", "b"].map((id) => header(id, { ...llama(), "model.position_ids": ["I64", 1, 8] })) });
    expect(made.tensors.find(({ name }) => name === "model.position_ids")).toMatchObject({ kind: "copy", dtype: "I64", compute: null, input: { model: 0 }, alike: [{ model: 1 }, { model: 2 }] });
  });

  test("rotary tables are left out where mergekit leaves them out", () => {
    const tables = { "model.layers.0.self_attn.rotary_emb.inv_freq": [2] };
    expect(plan({ models: ["base", "a", "b"].map((id) => header(id, { ...llama(), ...tables })) }).tensors.some(({ name }) => name.includes("inv_freq"))).toBe(false);
    expect(plan({ models: ["base", "a"].map((id) => header(id, { ...llama(), ...tables })).concat(header("b", llama())) }).tensors).toHaveLength(7);
  });

  test("an encoder and a decoder: a gradient runs over each", () => {
    const t5 = { architectures: ["T5ForConditionalGeneration"], num_layers: 3, num_decoder_layers: 2, vocab_size: 8 };
    const shapes = { "shared.weight": [8, 4], ...Object.assign({}, ...["encoder", "encoder", "encoder", "decoder", "decoder"].map((stack, i) => ({ [`${stack}.block.${i % 3}.layer.0.SelfAttention.q.weight`]: [4, 4] }))) } as Shapes;
    const models = ["base", "a"].map((id) => header(id, shapes, t5));
    const made = plan({ run: { method: "slerp", t: [0, 1] }, experts: ["a"], models });
    expect(made.tensors.map(({ name }) => [name, job(made, name).job.parameters.t])).toEqual([
      ["shared.weight", 0],
      ...[[0, 0], [1, 0.5], [2, 1]].map(([i, t]) => [`encoder.block.${i}.layer.0.SelfAttention.q.weight`, t]),
      ...[[0, 0], [1, 1]].map(([i, t]) => [`decoder.block.${i}.layer.0.SelfAttention.q.weight`, t]),
    ]);
    expect(refusal({ run: { method: "linear", slices: [{ sources: [{ model: "a", layer_range: [0, 1] }] }] }, experts: ["a"], models })).toMatch(/2 stacks of layers \(encoder\.block and decoder\.block\)/);
  });

  test("more layers than the base, and what config.json says of them", () => {
    const config = { ...LLAMA, layer_types: ["full", "sliding"] };
    const slices = [{ sources: [{ model: "a", layer_range: [0, 2] }] }, { sources: [{ model: "b", layer_range: [1, 2], parameters: { scale: 0.5 } }] }];
    const made = plan({ run: { method: "passthrough", slices }, models: ["base", "a", "b"].map((id) => header(id, llama(), config)) });
    expect(made.config).toMatchObject({ num_hidden_layers: 3, layer_types: ["full", "sliding", "sliding"] });
    expect(made.tensors.map(({ name, kind }) => [name, kind])).toEqual([
      ["model.embed_tokens.weight", "copy"],
      ["model.layers.0.mlp.up_proj.weight", "copy"], ["model.layers.0.input_layernorm.weight", "copy"],
      ["model.layers.1.mlp.up_proj.weight", "copy"], ["model.layers.1.input_layernorm.weight", "copy"],
      ["model.layers.2.mlp.up_proj.weight", "merge"], ["model.layers.2.input_layernorm.weight", "merge"],
      ["model.norm.weight", "merge"], ["lm_head.weight", "merge"], // of the last slice, its scale too
    ]);
    expect(job(made, "model.layers.2.mlp.up_proj.weight")).toMatchObject({ inputs: [{ model: 2, tensor: "model.layers.1.mlp.up_proj.weight" }], job: { inputs: [{ id: "b", parameters: { scale: 0.5 } }] } });
  });

  test("BERT's and GPT-2's older names are the same tensors", () => {
    const bert = { architectures: ["BertForMaskedLM"], num_hidden_layers: 1, vocab_size: 8 };
    const newer = { "bert.embeddings.LayerNorm.weight": [4], "bert.encoder.layer.0.output.dense.weight": [4, 4] };
    const older = { "bert.embeddings.LayerNorm.gamma": [4], "bert.encoder.layer.0.output.dense.weight": [4, 4] };
    const made = plan({ models: [header("base", newer, bert), header("a", newer, bert), header("b", older, bert)] });
    expect(job(made, "bert.embeddings.LayerNorm.weight").inputs.map(({ tensor }) => tensor)).toEqual(["bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.gamma"]);
  });
});

describe("a plan is refused", () => {
  const models = (b: ModelHeader) => [header("base", llama()), header("a", llama()), b];
  const { "model.norm.weight": _, ...normless } = llama();

  test.for<[string, Asked, RegExp]>([
    ["a tensor missing in one", { models: models(header("b", normless)) }, /^shape-mismatch: .*same tensors:\nmodel\.norm\.weight is not in b \(\.\/b\), but in a \(\.\/a\)/],
    ["a tensor that only one has", { models: models(header("b", { ...llama(), "score.weight": [2, 4] })) }, /score\.weight is not in a \(\.\/a\), but in b/],
    ["a tensor the base lacks", { run: { method: "ties" }, models: [header("base", normless), header("a", llama()), header("b", llama())] }, /model\.norm\.weight is not in the base \(\.\/base\)/],
    ["shapes that differ", { models: models(header("b", { ...llama(), "model.layers.1.mlp.up_proj.weight": [4, 6] })) }, /model\.layers\.1\.mlp\.up_proj\.weight is 6×4 in a \(\.\/a\) but 4×6 in b \(\.\/b\)/],
    ["other vocabularies", { models: models(header("b", llama(2, 9))) }, /model\.embed_tokens\.weight is 8×4 in a.* but 9×4 in b.*; its rows are tokens, so tokenizer_source/],
    ["many at once: the first few", { models: models(header("b", Object.fromEntries(Object.entries(llama(2)).map(([name, shape]) => [name, shape.map((dim) => dim + 1)])))) }, /;\nand 2 more\.$/],
    ["another number of layers", { models: models(header("b", llama(3), { ...LLAMA, num_hidden_layers: 3 })) }, /^graph-mismatch: a \(\.\/a\) has 2 layers and b \(\.\/b\) has 3\. Say with slices/],
    ["another architecture", { models: models(header("b", llama(), { ...LLAMA, architectures: ["MistralForCausalLM"] })) }, /^graph-mismatch: .* is LlamaForCausalLM and b \(\.\/b\) is MistralForCausalLM/],
    ["layers beyond the model", { run: { method: "passthrough", slices: [{ sources: [{ model: "a", layer_range: [1, 5] }] }] } }, /^bad-recipe: layer_range \[1, 5\] goes beyond a \(\.\/a\), which has 2 layers/],
    ["slices of a model without layers", { run: { method: "passthrough", slices: [{ sources: [{ model: "a", layer_range: [0, 1] }] }] }, models: ["base", "a", "b"].map((id) => header(id, { "w.weight": [2] }, null)) }, /has no numbered layers/],
    ["eight-bit floats", { models: models(header("b", llama(), LLAMA, "F8_E4M3")) }, /^unsupported-safetensors: .* of b \(\.\/b\) is stored as F8_E4M3/],
    ["whole numbers that are no such in another", { models: models(header("b", { ...llama(), "model.norm.weight": ["I64", 4] })) }, /model\.norm\.weight is F32 4 in a \(\.\/a\) and I64 4 in b/],
    ["weights that cancel", { run: { method: "linear", models: ["a", "b"], weights: { a: 1, b: -1 } } }, /sum to zero: a 1 and b -1/],
    ["a weight that no filter gives", { more: { experts: [{ id: "a", model: "./a", parameters: { weight: [{ filter: "mlp", value: 1 }] } }, { id: "b", model: "./b" }] } }, /weight of a has no value for model\.embed_tokens\.weight: no filter fits it/],
    ["a t that no filter gives", { run: { method: "slerp", t: [{ filter: "mlp", value: 1 }] }, experts: ["a"] }, /t has no value for model\.embed_tokens\.weight/],
    ["a density and an epsilon that do not go together", { run: { method: "della", density: 0.95 } }, /density 0\.95 and epsilon 0\.15/],
    ["a vocabulary without tokenizers", { more: { tokenizer_source: "union" } }, /^not-found: the base \(\.\/base\) has no tokenizer\.json/],
  ])("%s", ([, asked, message]) => {
    expect(refusal(asked)).toMatch(message);
  });
});

test("optional tensors, as mergekit has it: one alone is taken as it is, or the merge goes on with fewer, or it is left out", () => {
  const pooled = { ...llama(), "pooler.dense.weight": [4, 4] };
  const of = (method: string, having: readonly string[], experts = ["a", "b"], more: Record<string, unknown> = {}) => {
    const made = plan({ run: { method, ...more }, experts, models: ["base", ...experts].map((id) => header(id, having.includes(id) ? pooled : llama())) });
    const tensor = made.tensors.find(({ name }) => name === "pooler.dense.weight");
    return tensor === undefined ? null : tensor.kind === "copy" ? "copy" : tensor.job.inputs.map(({ id }) => id);
  };
  expect(of("linear", ["a"])).toEqual(["a"]);
  expect(of("slerp", ["a"], ["a"], { t: 0.5 })).toBe("copy");
  expect(of("ties", ["a", "base"])).toEqual(["a", "base"]);
  expect(of("model_stock", ["a", "base"])).toBeNull();
  expect(of("model_stock", ["base"])).toBe("copy");
  expect(of("nearswap", ["base"], ["a"], { t: 0.5 })).toBe("copy");
  expect(() => of("nearswap", ["a"], ["a"], { t: 0.5 })).toThrow(/needs a base/);
});

describe("names", () => {
  test.for<[string, readonly string[], Record<string, unknown>, readonly [string, number][]]>([
    ["one stack", ["model.layers.0.w.x", "model.layers.1.w.x", "classifier.0.weight", "classifier.3.weight"], { num_hidden_layers: 2 }, [["model.layers", 2]]],
    ["a bare prefix", ["h.0.attn.w", "h.1.attn.w"], { n_layer: 2 }, [["h", 2]]],
    ["experts inside a layer", ["model.layers.0.moe.experts.5.w", "model.layers.1.moe.experts.7.w"], { num_hidden_layers: 2 }, [["model.layers", 2]]],
    ["in a nested config", ["text.layers.0.w", "vision.blocks.0.w", "vision.blocks.1.w"], { text_config: { num_hidden_layers: 1 }, vision_config: { depth: 2 } }, [["text.layers", 1], ["vision.blocks", 2]]],
    ["without a config", ["encoder.layer.0.w", "encoder.layer.1.w"], {}, [["encoder.layer", 2]]],
    ["a gap is no stack", ["a.0.w", "a.2.w"], {}, []],
  ])("layers: %s", ([, tensors, config, stacks]) => {
    expect(findStacks(tensors, config).map(({ prefix, layers }) => [prefix, layers])).toEqual(stacks);
  });

  test("a layer of a stack", () => {
    const stacks = findStacks(["model.layers.0.w.x", "head.0.w"], { num_hidden_layers: 1 });
    expect(layerOf("model.layers.0.w.x", stacks)).toMatchObject({ layer: 0, rest: ".w.x" });
    expect(layerOf("head.0.w", [stacks[0]!])).toBeNull();
    expect(layerOf("model.norm.weight", stacks)).toBeNull();
  });

  test("which rows are tokens, and what stands after the layers", () => {
    expect(["model.embed_tokens.weight", "lm_head.weight", "lm_head.bias", "transformer.wte.weight", "bert.embeddings.word_embeddings.weight", "cls.predictions.bias", "shared.weight", "output.weight", "gpt_neox.embed_in.weight", "embed_out.weight", "wte.weight"].filter((name) => !isVocabulary(name))).toEqual([]);
    expect(["bert.embeddings.position_embeddings.weight", "transformer.wpe.weight", "model.norm.weight", "model.layers.0.mlp.shared_experts.weight", "attention.output.weight", "embeddings.LayerNorm.bias"].filter(isVocabulary)).toEqual([]);
    const after = (name: string) => standsAfter(name, "LlamaForCausalLM");
    expect(["model.norm.weight", "lm_head.weight", "score.weight", "classifier.out_proj.bias", "pooler.dense.weight", "cls.predictions.bias", "embed_out.weight", "gpt_neox.final_layer_norm.bias"].filter((name) => !after(name))).toEqual([]);
    expect(["model.embed_tokens.weight", "transformer.wpe.weight", "bert.embeddings.LayerNorm.weight", "gpt_neox.embed_in.weight", "backbone.embeddings.weight"].filter(after)).toEqual([]);
    // mergekit infers what it does not list, and takes all of it as standing before the layers.
    expect(isListed("ViTForImageClassification")).toBe(false);
    expect(standsAfter("classifier.weight", "ViTForImageClassification")).toBe(false);
  });
});

/** A BPE tokenizer of these tokens; those in angle brackets are added ones. */
function tokenizer(tokens: readonly string[], from = 0) {
  const plain = tokens.filter((token) => !token.startsWith("<"));
  const entry = (content: string) => ({ id: tokens.indexOf(content) + from, content, special: true, normalized: false });
  return readTokenizer(JSON.stringify({
    added_tokens: tokens.filter((token) => token.startsWith("<")).map(entry),
    model: { type: "BPE", vocab: Object.fromEntries(plain.map((token) => [token, tokens.indexOf(token) + from])), merges: plain.filter((token) => token.length === 2).map((token) => [...token]) },
  }), null, "t");
}

describe("a vocabulary", () => {
  const base = { id: "base", name: "the base", tokenizer: tokenizer(["a", "b", "ab", "<s>"]), rows: 4 };
  const wide = { id: "w", name: "w", tokenizer: tokenizer(["b", "c", "bc", "<x>", "<s>"]), rows: 5 };
  const third = { id: "t", name: "t", tokenizer: tokenizer(["a", "c", "d"]), rows: 3 };
  const options = { tokens: {}, padTo: null, foreign: null };

  test("of the base: others' rows in its order, its own where they have none", () => {
    const laid = layVocabulary([base, wide], { ...options, source: "base" });
    expect(laid.tokens).toEqual(["a", "b", "ab", "<s>"]);
    expect([...laid.own.get("w")!]).toEqual([-1, 0, -1, 4]);
    expect(layRows(laid, ["w", "base"], "base").missing).toEqual(new Map([[0, [{ input: 1, row: 0 }]], [2, [{ input: 1, row: 2 }]]]));
  });

  test("union: the base's numbers stay, then others' tokens, then their added ones", () => {
    expect(layVocabulary([base, wide, third], { ...options, source: "union" }).tokens).toEqual(["a", "b", "ab", "<s>", "c", "bc", "d", "<x>"]);
  });

  test("a token in several models but not in the base is their mean; without a base too; in none: zeros", () => {
    const laid = layVocabulary([base, wide, third], { ...options, source: "union", tokens: { "<n>": { source: { kind: "zero" }, force: false } } });
    const rows = layRows(laid, ["base", "w", "t"], "base");
    expect(rows.missing.get(4)).toEqual([{ input: 1, row: 1 }, { input: 2, row: 1 }]); // c
    expect(rows.missing.get(0)).toEqual([{ input: 0, row: 0 }]); // a: the base's
    expect(rows.missing.get(8)).toEqual([]);
    expect(layRows(laid, ["base", "w", "t"], null).missing.get(0)).toEqual([{ input: 0, row: 0 }, { input: 2, row: 0 }]);
    const foreign = layVocabulary([base], { ...options, source: "other/model", foreign: tokenizer(["z", "a"]) });
    expect(layRows(foreign, ["base"], "base")).toMatchObject({ own: [Int32Array.of(-1, 0)], missing: new Map([[0, []]]) });
  });

  test("what the recipe says of a token comes first, and with force also where models have it", () => {
    const tokens = { c: { source: "t", force: false }, b: { source: { kind: "model_token" as const, model: "base", token: "a" }, force: true } };
    const laid = layVocabulary([base, wide, third], { ...options, source: "union", tokens });
    const rows = layRows(laid, ["base", "w", "t"], "base");
    expect(rows.missing.get(4)).toEqual([{ input: 2, row: 1 }]);
    expect(rows.own[1]![4]).toBe(1);
    expect(rows.missing.get(1)).toEqual([{ input: 0, row: 0 }]);
    expect(rows.own.map((own) => own[1])).toEqual([-1, -1, -1]);
  });

  test("is padded, and refuses what cannot be", () => {
    expect(layVocabulary([base], { ...options, source: "base", padTo: 3 }).rows).toBe(6);
    const bad = (work: () => unknown, message: RegExp) => expect(work).toThrow(message);
    bad(() => layVocabulary([{ ...base, tokenizer: null }], { ...options, source: "base" }), /has no tokenizer\.json/);
    bad(() => layVocabulary([{ ...base, tokenizer: tokenizer(["a", "b"], 3), rows: 9 }], { ...options, source: "base" }), /gives number 0 to no token/);
    bad(() => layVocabulary([base], { ...options, source: "base", tokens: { x: { source: { kind: "model_token", model: "base", token: "zz" }, force: false } } }), /takes "zz" of the base, which has no such token/);
    bad(() => layRows(layVocabulary([base, wide], { ...options, source: "base", tokens: { a: { source: "base", force: true } } }), ["w"], null), /takes a row of base, which is not merged where/);
    for (const text of ["{", "[]", "{}", '{"model":{}}', '{"model":{"vocab":{"a":"0"}}}', '{"model":{"vocab":{"a":0}},"added_tokens":[{"content":1}]}']) bad(() => readTokenizer(text, null, "t.json"), /^t\.json /);
  });

  test("tokens beyond the rows go, with the merges that need them; new ones are numbered on", () => {
    const cut = stripped(tokenizer(["a", "b", "<s>", "ab"]), 3, "t");
    expect([...cut.vocabulary.keys()]).toEqual(["a", "b", "<s>"]);
    expect(cut.raw).toMatchObject({ model: { vocab: { a: 0, b: 1 }, merges: [] }, added_tokens: [{ content: "<s>" }] });
    expect(extended(cut, [{ content: "a" }, { content: "n" }]).raw.added_tokens).toMatchObject([{ id: 0, content: "a" }, { id: 2, content: "<s>" }, { id: 3, content: "n", special: false, normalized: true }]);
  });

  test("Unigram lists its tokens; a config may add some", () => {
    const read = readTokenizer('{"model":{"vocab":[["x",-1.5],["y",-2]]}}', '{"added_tokens_decoder":{"2":{"content":"<e>","special":true}}}', "t");
    expect([...read.vocabulary]).toEqual([["x", 0], ["y", 1], ["<e>", 2]]);
    expect(read.type).toBe("Unigram");
  });
});

describe("rows laid out anew", () => {
  const stored = [Float32Array.from({ length: 12 }, (_, i) => i), Float32Array.from({ length: 6 }, (_, i) => 100 + i)];
  const reads: string[] = [];
  const source = { read: async (input: number, from: number, to: number) => { reads.push(`${input}:${from}-${to}`); return stored[input]!.slice(from, to); } };
  // Rows of two: input 0 has six, input 1 three.
  const layout = { rows: 7, tokens: 5, own: [Int32Array.of(5, 0, -1, 3, -1), Int32Array.of(2, -1, 0, -1, -1)], missing: new Map([[1, [{ input: 0, row: 0 }]], [2, [{ input: 1, row: 0 }]], [3, [{ input: 0, row: 3 }, { input: 1, row: 1 }]], [4, []]]) };
  const whole = (input: number) => gatherRows(source, layout, 2, "float32").read(input, 0, 14);

  test("own rows, another's, a mean, zeros, padding", async () => {
    expect([...(await whole(0))]).toEqual([10, 11, 0, 1, 100, 101, 6, 7, 0, 0, 23.2, 24, 23.2, 24].map(Math.fround));
    expect([...(await whole(1))].slice(0, 10)).toEqual([104, 105, 0, 1, 100, 101, 54, 55, 0, 0]);
  });

  test("any range gives what the whole gives, into a given array too", async () => {
    const all = await whole(0);
    const rows = gatherRows(source, layout, 2, "float32");
    for (let from = 0; from <= 14; from++) {
      for (let to = from; to <= 14; to++) expect([...(await rows.read(0, from, to))]).toEqual([...all.subarray(from, to)]);
    }
    const into = new Float32Array(3);
    expect(await rows.read(0, 9, 12, into)).toBe(into);
    expect([...into]).toEqual([...all.subarray(9, 12)]);
  });

  test("rows that lie near each other are read at once", async () => {
    reads.length = 0;
    await gatherRows(source, layout, 2, "float32").read(0, 0, 4);
    expect(reads).toEqual(["0:0-12"]);
  });

  test("means are rounded to the type, step by step", async () => {
    const values = [Float32Array.of(1), Float32Array.of(2 ** -9)];
    const mean = { rows: 1, tokens: 1, own: [Int32Array.of(-1), Int32Array.of(-1)], missing: new Map([[0, [{ input: 0, row: 0 }, { input: 1, row: 0 }]]]) };
    const read = (dtype: "bfloat16" | "float32") => gatherRows({ read: async (input) => values[input]! }, mean, 1, dtype).read(0, 0, 1);
    expect([...(await read("bfloat16"))]).toEqual([0.5]);
    expect([...(await read("float32"))]).toEqual([0.5 + 2 ** -10]);
  });
});

describe("files beside the weights", () => {
  const json = (value: unknown) => JSON.stringify(value);
  const raw = { model: { type: "BPE", vocab: { a: 0 }, merges: [] }, added_tokens: [] };
  const texts: Record<string, Record<string, string>> = {
    base: { "tokenizer.json": json(raw), "tokenizer_config.json": json({ chat_template: "old {{ x }}", added_tokens_decoder: {} }) },
    a: { "tokenizer_config.json": json({ chat_template: "most {{ x }} have it" }) },
    b: { "chat_template.jinja": "most {{ x }} have it" },
  };
  const has = new Set(["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "generation_config.json", "model.safetensors", "README.md"]);
  const made = (more: Record<string, unknown>, tokenizers = {}) => {
    const recipe = parseRecipe({ murmuration: 1, base: { model: "./base" }, experts: [{ id: "a", model: "./a" }, { id: "b", model: "./b" }], out_dtype: "auto", runs: [{ method: "linear" }], ...more });
    const models = ["base", "a", "b"].map((id) => ({ ...header(id, llama(2, 8), { ...LLAMA, vocab_size: 8 }), tokenizer: readTokenizer(json(raw), null, id), ...tokenizers }));
    const files = resultFiles(planMerge(recipe, recipe.runs[0] as MergeRun, { models }), recipe, () => has, (model, name) => texts[model]?.[name] ?? null);
    return { ...files, paths: files.copied.map(({ path }) => path) };
  };

  test("without a new vocabulary all of the donor's are copied", () => {
    const { paths, written } = made({});
    expect(paths).toEqual(["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt", "generation_config.json"]);
    expect([...written.keys()]).toEqual(["config.json"]);
    expect(JSON.parse(written.get("config.json")!)).toEqual(LLAMA);
  });

  test("a new vocabulary is written, and what says the old one is left out", () => {
    const { paths, written } = made({ tokenizer: { source: "base", tokens: { "<n>": { source: { kind: "zero" } } } } });
    expect(paths).toEqual(["generation_config.json"]);
    expect(JSON.parse(written.get("tokenizer.json")!)).toMatchObject({ added_tokens: [{ id: 1, content: "<n>" }] });
    expect(JSON.parse(written.get("tokenizer_config.json")!)).toMatchObject({ added_tokens_decoder: { 1: { content: "<n>" } } });
    expect(JSON.parse(written.get("config.json")!)).toMatchObject({ vocab_size: 2 });
  });

  test("a chat template: the one most models have, a named one, one's own", () => {
    const { written } = made({ chat_template: "auto" });
    expect(written.get("chat_template.jinja")).toBe("most {{ x }} have it");
    expect(JSON.parse(written.get("tokenizer_config.json")!)).toMatchObject({ chat_template: "most {{ x }} have it" });
    expect(made({ chat_template: "chatml" }).written.get("chat_template.jinja")).toContain("<|im_start|>");
    expect(made({ chat_template: "{{ mine, all mine }}" }).written.get("chat_template.jinja")).toBe("{{ mine, all mine }}");
  });

  test("models are named for whoever reads their headers", () => {
    const recipe = parseRecipe({ murmuration: 1, experts: [{ id: "a", model: "./a" }, { id: "b", model: "./b" }], runs: [{ method: "linear" }, { id: "x", method: "linear", models: ["b"] }] });
    expect(recipe.runs.map((run) => modelsOf(recipe, run as MergeRun))).toEqual([["a", "b"], ["a", "b"]]); // a's config is the result's
  });
});
