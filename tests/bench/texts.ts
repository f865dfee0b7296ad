/** A candidate that writes, weights fed or baked in, against transformers.js on constant weights: the same prompts, turn about, medians. */
import * as ort from "onnxruntime-web/webgpu";
import { readParts } from "../../src/checkpoint/onnx/read.ts";
import type { Part } from "../../src/checkpoint/onnx/parts.ts";
import { Sounding } from "../../src/engine/voices.ts";
import { cpuTensor, type Feeds, Runtime } from "../../src/fitness/runtime.ts";
import { Speaker } from "../../src/fitness/texts/language.ts";
import { library } from "../../src/fitness/texts/library.ts";
import type { TextFiles } from "../../src/fitness/texts/tokens.ts";
import { align } from "../../src/space/align/align.ts";
import type { BenchRow } from "./kernels.ts";

const SAMPLES = 64;
const BATCH = 32;
/** Rounds that are not counted: the runtime's code is still being optimised. */
const WARM = 6;

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function fetched(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.href} answered ${answer.status}.`);
  return new Uint8Array(await answer.arrayBuffer());
}

export async function benchGeneration(assets: URL, rounds = 21): Promise<BenchRow[]> {
  const at = (path: string) => new URL(`zoo/words/${path}`, assets);
  const json = async (path: string) => JSON.parse(new TextDecoder().decode(await fetched(at(path)))) as Record<string, unknown>;
  const files: TextFiles = {
    tokenizer: await json("sounds/tokenizer.json"), tokenizerConfig: await json("sounds/tokenizer_config.json"),
    config: await json("sounds/config.json"), generationConfig: await json("sounds/generation_config.json"),
  };
  const prompts = new TextDecoder().decode(await fetched(at("sounds/samples/sounds.jsonl"))).split("\n").slice(0, SAMPLES).map((line) => (JSON.parse(line) as { prompt: string }).prompt);
  const most = 8;
  const names = { encoder: "encoder_model", decoder: "decoder_model_merged" } as const;
  const [encoder, decoder] = await Promise.all(Object.values(names).map((name) => fetched(at(`sounds/onnx/${name}.onnx`))));
  const threads = Math.min(8, navigator.hardwareConcurrency);
  const runtime = new Runtime({ provider: "wasm", threads });

  // As transformers.js does it: the files as they are, one session each.
  const loaded = await library();
  const constant = await Promise.all([encoder, decoder].map((bytes) => ort.InferenceSession.create(bytes as Uint8Array, { executionProviders: ["wasm"], extra: { session: { intra_op: { allow_spinning: "0" } } } })));
  const T5 = loaded.T5ForConditionalGeneration as unknown as new (config: object, sessions: object, configs: object) => { generate(options: object): Promise<unknown> };
  const { PretrainedConfig, GenerationConfig } = loaded as unknown as { PretrainedConfig: new (raw: object) => object; GenerationConfig: new (raw: object) => object };
  const plain = new T5(new PretrainedConfig(files.config), { model: session(constant[0]), decoder_model_merged: session(constant[1]) }, { generation_config: new GenerationConfig(files.generationConfig ?? {}) });

  const Tokenizer = loaded.PreTrainedTokenizer as unknown as new (tokenizer: object, config: object) => ((texts: string[], options: object) => Record<"input_ids" | "attention_mask", unknown>) & { batch_decode(ids: unknown, options: object): string[] };
  const tokenizer = new Tokenizer(files.tokenizer, files.tokenizerConfig);

  const parts = ([["encoder", encoder], ["decoder", decoder]] as const).map(([role, bytes]) => ({ role: role as Part["role"], file: names[role], bytes: bytes as Uint8Array }));
  const file = readParts(parts, { name: "sounds" });
  const alignment = align([{ id: "base", skeleton: file.skeleton, config: null }], { baseId: "base" });
  const arrays = alignment.segments.map(({ weight }) => file.tensor(weight["base"] ?? 0));
  const feeds: Feeds = {};
  alignment.segments.forEach(({ inputs }, i) => {
    for (const input of inputs) feeds[input] = cpuTensor(arrays[i] as Float32Array, alignment.space.segments[i]?.shape ?? []);
  });
  const sounding = new Sounding(alignment, runtime, false);
  const speaker = new Speaker(loaded, files, "sounds");
  const calls = Math.ceil(SAMPLES / BATCH) * most;

  const times = { candidate: [] as number[], constant: [] as number[] };
  for (let round = 1; round <= WARM + rounds; round++) {
    let begin = performance.now();
    await sounding.with({ feeds: () => feeds, arrays: () => arrays }, {}, calls, async (voices) => {
      for (let i = 0; i < SAMPLES; i += BATCH) await speaker.generate(voices, prompts.slice(i, i + BATCH), most);
    });
    if (round > WARM) times.candidate.push(performance.now() - begin);
    begin = performance.now();
    for (let i = 0; i < SAMPLES; i += BATCH) {
      const inputs = tokenizer(prompts.slice(i, i + BATCH), { padding: true });
      tokenizer.batch_decode(await plain.generate({ ...inputs, max_new_tokens: most, do_sample: false }), { skip_special_tokens: true });
    }
    if (round > WARM) times.constant.push(performance.now() - begin);
  }
  await sounding.close();
  const [candidateMs, constantMs] = [median(times.candidate), median(times.constant)];
  return [{
    name: "T5 writes with a candidate's weights ÷ transformers.js on constant weights, words, wasm", value: candidateMs / constantMs, unit: "×", goal: { atMost: 1.15 },
    details: { candidateMs, constantMs, samples: SAMPLES, batch: BATCH, threads },
  }];
}

/** A raw session as transformers.js keeps it. */
function session(of: ort.InferenceSession | undefined) {
  if (!of) throw new Error("A session is missing.");
  return Object.assign(of, { config: {} });
}
