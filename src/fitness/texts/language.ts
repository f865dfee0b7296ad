/**
 * A candidate that speaks: greedy answers by transformers.js' `generate()` with its cache, and how likely given texts are, over sessions
 * whose weights are the candidate's. Nothing here knows a task.
 */
import type * as ort from "onnxruntime-web/webgpu";
import type { LogitsProcessorList as List, PreTrainedModel, Tensor as LibraryTensor } from "@huggingface/transformers";
import { LabError } from "../../lib/error.ts";
import type { Feeds, RuntimeSession } from "../runtime.ts";
import { macrotask } from "../yielding.ts";
import type { Library } from "./library.ts";
import { padded, type TextFiles, Tokens } from "./tokens.ts";

/** One graph with the candidate's weights: constants in it, or fed beside the inputs. */
export interface Voice {
  readonly session: RuntimeSession;
  readonly weights: () => Feeds;
}

export interface Voices {
  /** null: a model that only decodes. */
  readonly encoder: Voice | null;
  readonly decoder: Voice;
}

export interface Generated {
  readonly texts: string[];
  /** Least difference between the likeliest token and the second, over each text. */
  readonly margins: number[];
  readonly finite: boolean;
}

export interface Likelihoods {
  /** Natural logs: sum over the tokens of each text behind its prompt. */
  readonly sums: number[];
  /** Tokens of each such text, its end token included where the model has one there. */
  readonly tokens: number[];
  readonly finite: boolean;
}

/** Logits of one call stay below this: rows × tokens × vocabulary. */
const LOGITS_BYTES = 128 * 2 ** 20;

/** By `model_type`, for configurations that name no architecture. */
const CLASSES: Readonly<Record<string, string>> = {
  t5: "T5ForConditionalGeneration", mt5: "MT5ForConditionalGeneration", llama: "LlamaForCausalLM", mistral: "MistralForCausalLM", qwen2: "Qwen2ForCausalLM", gpt2: "GPT2LMHeadModel",
};

export class Speaker {
  readonly tokens: Tokens;
  readonly vocabulary: number;
  readonly #library: Library;
  readonly #files: TextFiles;
  readonly #Class: typeof PreTrainedModel;
  readonly #name: string;

  constructor(loaded: Library, files: TextFiles, model: string) {
    this.#library = loaded;
    this.#files = files;
    this.#name = model;
    this.tokens = new Tokens(loaded, files, model);
    this.vocabulary = Number(files.config["vocab_size"] ?? 0);
    const told = files.config["architectures"];
    const name = (Array.isArray(told) ? String(told[0]) : undefined) ?? CLASSES[String(files.config["model_type"])] ?? "";
    const known = (loaded as unknown as Record<string, unknown>)[name];
    if (typeof known !== "function" || !/(ForConditionalGeneration|ForCausalLM|LMHeadModel)$/.test(name)) {
      throw new LabError("unknown-model", `config.json of ${model} names ${name || "no architecture"}, which is none that writes text here. Llama, Mistral, Qwen2, GPT-2, T5 and their like do (…ForCausalLM, …ForConditionalGeneration).`);
    }
    this.#Class = known as typeof PreTrainedModel;
  }

  /** Greedy; at most `most` tokens each, up to the end token. */
  async generate(voices: Voices, prompts: readonly string[], most: number): Promise<Generated> {
    const { tokens } = this;
    const decodes = voices.encoder === null;
    const room = Math.max(1, tokens.longest - (decodes ? most : 0));
    // What was asked last stands at the end: a prompt that is too long loses its beginning.
    const rows = prompts.map((prompt) => (decodes ? tokens.begin(prompt) : tokens.encode(prompt).ids).slice(-room));
    const { ids, mask, length } = padded(rows, tokens.padId, decodes ? "left" : "right");
    const watch = new Margins(prompts.length, tokens.ends);
    const processors = new this.#library.LogitsProcessorList() as List;
    processors.push(watching(this.#library, watch));
    const sequences = (await this.#model(voices).generate({
      input_ids: this.#tensor(ids, [rows.length, length]), attention_mask: this.#tensor(mask, [rows.length, length]),
      max_new_tokens: most, do_sample: false, num_beams: 1, return_dict_in_generate: false, logits_processor: processors,
    } as Parameters<PreTrainedModel["generate"]>[0])) as LibraryTensor;
    const skipped = decodes ? length : 1; // the prompt, or the token that begins every answer
    const width = sequences.dims[1] as number;
    const out = Array.from(sequences.data as BigInt64Array, Number);
    const texts = rows.map((_, r) => tokens.decode(out.slice(r * width + skipped, (r + 1) * width)));
    return { texts, margins: watch.least, finite: watch.finite };
  }

  /** Rows go through together as far as their logits fit; in order of length, so that little is padding. */
  async likelihoods(voices: Voices, pairs: readonly { prompt: string; text: string }[], batch: number): Promise<Likelihoods> {
    const rows = pairs.map(({ prompt, text }, index) => ({ index, ...this.#row(voices, prompt, text) }));
    const sums = new Array<number>(rows.length).fill(0);
    const counts = rows.map(({ said }) => said);
    let finite = true;
    const waiting = [...rows].sort((a, b) => a.ids.length - b.ids.length || a.index - b.index);
    while (waiting.length > 0) {
      const some = waiting.splice(0, this.#fitting(waiting, batch));
      const logits = await this.#logits(voices, some);
      some.forEach((row, r) => {
        const sum = sumOf(logits, r, row);
        finite &&= Number.isFinite(sum);
        sums[row.index] = sum;
      });
      await macrotask();
    }
    return { sums, tokens: counts, finite };
  }

  /** How many of the first rows go together; never 1 where 2 would do, for bits differ between one row and several. */
  #fitting(rows: readonly Row[], batch: number): number {
    let fits = 1;
    while (fits < Math.min(batch, rows.length) && (fits + 1) * (rows[fits] as Row).ids.length * this.vocabulary * 4 <= LOGITS_BYTES) fits++;
    return rows.length - fits === 1 && fits > 2 ? fits - 1 : fits;
  }

  #row(voices: Voices, prompt: string, text: string): Omit<Row, "index"> {
    const { tokens } = this;
    if (voices.encoder) {
      const target = tokens.encode(text).ids;
      const start = Number(this.#files.generationConfig?.["decoder_start_token_id"] ?? this.#files.config["decoder_start_token_id"] ?? tokens.padId);
      return { asked: tokens.encode(prompt).ids.slice(-tokens.longest), ids: [start, ...target], said: target.length };
    }
    // Blanks belong to the text that follows, as lm-evaluation-harness has it.
    const bare = prompt.trimEnd();
    const whole = tokens.begin(prompt + text);
    const said = Math.max(1, whole.length - (bare === "" ? 0 : tokens.begin(bare).length));
    return { asked: [], ids: whole.slice(-tokens.longest), said: Math.min(said, whole.length - 1, tokens.longest - 1) };
  }

  async #logits(voices: Voices, rows: readonly Row[]): Promise<Logits> {
    const { tokens } = this;
    const twice = rows.length === 1 ? [...rows, ...rows] : rows;
    const own = padded(twice.map(({ ids }) => ids), tokens.padId, "right");
    const dims = [twice.length, own.length];
    const model = this.#model(voices, ["logits"]);
    let feeds: Record<string, LibraryTensor>;
    if (voices.encoder) {
      const asked = padded(twice.map((row) => row.asked), tokens.padId, "right");
      const shape = [twice.length, asked.length];
      feeds = { input_ids: this.#tensor(asked.ids, shape), attention_mask: this.#tensor(asked.mask, shape), decoder_input_ids: this.#tensor(own.ids, dims) };
    } else feeds = { input_ids: this.#tensor(own.ids, dims), attention_mask: this.#tensor(own.mask, dims) };
    const { logits } = (await model.forward(feeds)) as { logits: LibraryTensor };
    const [, length = 0, vocabulary = 0] = logits.dims as number[];
    return { values: logits.to("float32").data as Float32Array, length, vocabulary };
  }

  #tensor(values: BigInt64Array, dims: readonly number[]): LibraryTensor {
    return new this.#library.Tensor("int64", values, [...dims]);
  }

  /** The library's model over these sessions; it holds nothing but their names. `wanted`: the decoder's outputs, all unless told. */
  #model({ encoder, decoder }: Voices, wanted?: readonly string[]): PreTrainedModel {
    const { PretrainedConfig, GenerationConfig } = this.#library as unknown as { PretrainedConfig: new (config: object) => object; GenerationConfig: new (config: object) => object };
    const config = new PretrainedConfig({ architectures: [], ...this.#files.config });
    const generation = new GenerationConfig(this.#files.generationConfig ?? {});
    const sessions = encoder ? { model: thin(encoder, this.#name), decoder_model_merged: thin(decoder, this.#name, wanted) } : { model: thin(decoder, this.#name, wanted) };
    return new this.#Class(config as never, sessions, { generation_config: generation });
  }
}

interface Row {
  readonly index: number;
  /** Tokens an encoder reads. */
  readonly asked: readonly number[];
  /** Tokens a decoder reads. */
  readonly ids: readonly number[];
  /** How many of the last tokens are the text's. */
  readonly said: number;
}

interface Logits {
  readonly values: Float32Array;
  readonly length: number;
  readonly vocabulary: number;
}

/** Σ log p(token): each is told at the place before it, behind an encoder too, where a start token stands in front. */
function sumOf({ values, length, vocabulary }: Logits, row: number, { ids, said }: Row): number {
  let sum = 0;
  for (let i = ids.length - said; i < ids.length; i++) {
    const place = (row * length + i - 1) * vocabulary;
    sum += logProbability(values.subarray(place, place + vocabulary), ids[i] as number);
  }
  return sum;
}

function logProbability(logits: Float32Array, token: number): number {
  let highest = -Infinity;
  for (const value of logits) if (value > highest) highest = value;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - highest);
  return (logits[token] as number) - highest - Math.log(sum);
}

/** What the library takes for a session: the weights' names are hidden from it and their tensors added to what it feeds. */
function thin({ session, weights }: Voice, model: string, wanted?: readonly string[]) {
  const held = weights();
  const own = (name: string) => !Object.hasOwn(held, name);
  return {
    inputNames: session.inputNames.filter(own),
    inputMetadata: session.inputMetadata.filter(({ name }) => own(name)),
    outputNames: session.outputNames,
    config: {},
    async run(feeds: Record<string, ort.Tensor>): Promise<Record<string, ort.Tensor>> {
      const outputs = await session.run({ ...feeds, ...weights() }, wanted);
      await macrotask(); // pings and pauses are heard between two tokens
      if (!outputs["logits"] && !outputs["last_hidden_state"]) throw new LabError("run-failed", `The graph of ${model} gives neither logits nor last_hidden_state.`);
      return outputs;
    },
  };
}

/** Looks on while tokens are chosen. */
class Margins {
  readonly least: number[];
  finite = true;
  readonly #ended: boolean[];

  constructor(rows: number, private readonly ends: ReadonlySet<number>) {
    this.least = new Array<number>(rows).fill(Infinity);
    this.#ended = new Array<boolean>(rows).fill(false);
  }

  /** Logits of one step, `[rows × vocabulary]`. */
  see(values: Float32Array, vocabulary: number): void {
    for (let row = 0; row < this.least.length; row++) {
      if (this.#ended[row]) continue;
      let [first, second, best] = [-Infinity, -Infinity, -1];
      for (let i = row * vocabulary, token = 0; token < vocabulary; i++, token++) {
        const value = values[i] as number;
        if (value > first) [second, first, best] = [first, value, token];
        else if (value > second) second = value;
      }
      if (!Number.isFinite(first)) this.finite = false;
      this.least[row] = Math.min(this.least[row] as number, first - second);
      this.#ended[row] = this.ends.has(best);
    }
  }
}

function watching(loaded: Library, watch: Margins) {
  class Watching extends loaded.LogitsProcessor {
    override _call(_ids: bigint[][], logits: LibraryTensor): LibraryTensor {
      watch.see(logits.data as Float32Array, logits.dims.at(-1) as number);
      return logits;
    }
  }
  return new Watching();
}
