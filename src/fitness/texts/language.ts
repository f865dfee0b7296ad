/**
 * A candidate that speaks: greedy answers by transformers.js' `generate()` with its cache, and how likely given texts are, over sessions
 * whose weights are the candidate's. Nothing here knows a task.
 */
import type * as ort from "onnxruntime-web/webgpu";
import type { LogitsProcessorList as List, PreTrainedModel, Tensor as LibraryTensor } from "@huggingface/transformers";
import { LabError } from "../../lib/error.ts";
import { type Feeds, idTensor, type RuntimeSession } from "../runtime.ts";
import { breath, macrotask } from "../yielding.ts";
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
/** A shorter beginning is not worth a run of its own. */
const FEWEST_SHARED = 4;

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
  readonly #config: object;
  readonly #generation: object;
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
    const { PretrainedConfig, GenerationConfig } = loaded as unknown as Record<"PretrainedConfig" | "GenerationConfig", new (config: object) => object>;
    this.#config = new PretrainedConfig({ architectures: [], ...files.config });
    this.#generation = new GenerationConfig(files.generationConfig ?? {});
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

  /** A prompt is read once for all texts put behind it. Rows go through together as far as their logits fit; in order of length, so that little is padding. */
  async likelihoods(voices: Voices, pairs: readonly { prompt: string; text: string }[], batch: number): Promise<Likelihoods> {
    const sums = new Array<number>(pairs.length).fill(0);
    const tokens = new Array<number>(pairs.length).fill(0);
    let finite = true;
    const waiting = this.#asked(voices, pairs).sort((a, b) => Number(a.read) - Number(b.read) || lengthOf(a) - lengthOf(b) || a.first - b.first);
    while (waiting.length > 0) {
      const some = waiting.splice(0, this.#fitting(waiting, batch));
      const rows = some.flatMap((asked) => asked.rows);
      const logits = await this.#logits(voices, some);
      rows.forEach((row, r) => {
        const sum = sumOf(logits, r, row);
        finite &&= Number.isFinite(sum);
        sums[row.index] = sum;
        tokens[row.index] = row.said;
      });
      await macrotask();
    }
    return { sums, tokens, finite };
  }

  /** How many of the first go together. */
  #fitting(all: readonly Asked[], batch: number): number {
    let [fits, count] = [0, 0];
    for (const { asked, rows, read } of all) {
      const length = Math.max(...rows.map(({ ids }) => ids.length));
      const logits = 4 * this.vocabulary * Math.max((count + rows.length) * length, read ? (fits + 1) * asked.length : 0);
      if (fits > 0 && (read !== all[0]?.read || count + rows.length > batch || logits > LOGITS_BYTES)) break;
      fits += 1;
      count += rows.length;
    }
    return fits;
  }

  /** Neighbours with one prompt stand together. */
  #asked(voices: Voices, pairs: readonly { prompt: string; text: string }[]): Asked[] {
    const groups: { prompt: string; first: number; texts: string[] }[] = [];
    pairs.forEach(({ prompt, text }, index) => {
      const last = groups.at(-1);
      if (last?.prompt === prompt) last.texts.push(text);
      else groups.push({ prompt, first: index, texts: [text] });
    });
    return groups.map(({ prompt, first, texts }) => (voices.encoder ? this.#answered(prompt, first, texts) : this.#continued(voices, prompt, first, texts)));
  }

  #answered(prompt: string, first: number, texts: readonly string[]): Asked {
    const { tokens } = this;
    const start = Number(this.#files.generationConfig?.["decoder_start_token_id"] ?? this.#files.config["decoder_start_token_id"] ?? tokens.padId);
    const rows = texts.map((text, i) => {
      const target = tokens.encode(text).ids;
      return { index: first + i, ids: [start, ...target], said: target.length };
    });
    return { first, asked: tokens.encode(prompt).ids.slice(-tokens.longest), rows, read: false };
  }

  #continued(voices: Voices, prompt: string, first: number, texts: readonly string[]): Asked {
    const { tokens } = this;
    // Blanks belong to the text that follows, as lm-evaluation-harness has it.
    const bare = prompt.trimEnd();
    const behind = bare === "" ? 0 : tokens.begin(bare).length;
    const rows = texts.map((text, i) => {
      const whole = tokens.begin(prompt + text);
      return { index: first + i, ids: whole.slice(-tokens.longest), said: Math.min(Math.max(1, whole.length - behind), whole.length - 1, tokens.longest - 1) };
    });
    // The last token of what is shared is read with each text: what follows it is told there.
    const shared = common(rows.map(({ ids, said }) => ids.slice(0, ids.length - said - 1)));
    if (rows.length === 1 || shared < FEWEST_SHARED || !voices.decoder.session.inputNames.includes("position_ids")) return { first, asked: [], rows, read: false };
    return { first, asked: (rows[0] as Row).ids.slice(0, shared), rows: rows.map((row) => ({ ...row, ids: row.ids.slice(shared) })), read: true };
  }

  async #logits(voices: Voices, groups: readonly Asked[]): Promise<Logits> {
    const rows = groups.flatMap((group) => group.rows);
    const owner = groups.flatMap((group, g) => group.rows.map(() => g));
    // Bits differ between one row and several.
    if (rows.length === 1) [rows[1], owner[1]] = [rows[0] as Row, 0];
    const { ids, mask, length } = padded(rows.map((row) => row.ids), this.tokens.padId, "right");
    const dims = [rows.length, length];
    const own = { ids: this.#tensor(ids, dims), mask };
    const feeds = voices.encoder ? await this.#behindEncoder(voices, groups, owner, own.ids) : groups[0]?.read ? await this.#behindPrompts(voices, groups, owner, own) : { input_ids: own.ids, attention_mask: this.#tensor(mask, dims) };
    const { logits } = (await this.#model(voices, ["logits"]).forward(feeds)) as { logits: LibraryTensor };
    const [, told = 0, vocabulary = 0] = logits.dims as number[];
    return { values: logits.to("float32").data as Float32Array, length: told, vocabulary };
  }

  async #behindEncoder(voices: Voices, groups: readonly Asked[], owner: readonly number[], own: LibraryTensor): Promise<object> {
    const { ids, mask, shape } = this.#prompts(groups, "right");
    // Prompts are encoded once; every answer's decoder looks at its own.
    const encoder = thin(voices.encoder as Voice, this.#name);
    const feeds = { input_ids: idTensor(ids, shape), ...(encoder.inputNames.includes("attention_mask") ? { attention_mask: idTensor(mask, shape) } : {}) };
    const { last_hidden_state } = await encoder.run(feeds);
    if (!last_hidden_state) throw new LabError("run-failed", `The encoder of ${this.#name} gives no last_hidden_state.`);
    return {
      encoder_outputs: await this.#repeated(last_hidden_state as unknown as LibraryTensor, owner), decoder_input_ids: own,
      attention_mask: this.#tensor(repeat(mask, shape[1] as number, owner), [owner.length, shape[1] as number]),
    };
  }

  /** Prompts are read into a cache, left of which they are padded; every text goes on from its prompt's. */
  async #behindPrompts(voices: Voices, groups: readonly Asked[], owner: readonly number[], own: { ids: LibraryTensor; mask: BigInt64Array }): Promise<object> {
    const { ids, mask, shape } = this.#prompts(groups, "left");
    const [, before = 0] = shape;
    const outputs = (await this.#model(voices).forward({ input_ids: this.#tensor(ids, shape), attention_mask: this.#tensor(mask, shape), num_logits_to_keep: this.#tensor(BigInt64Array.of(1n), []) })) as Record<string, LibraryTensor>;
    const past: Record<string, LibraryTensor> = {};
    for (const [name, tensor] of Object.entries(outputs)) if (name.startsWith("present")) past[name.replace("present", "past_key_values")] = await this.#repeated(tensor, owner);
    const length = own.mask.length / owner.length;
    const whole = new BigInt64Array(owner.length * (before + length));
    owner.forEach((group, r) => {
      whole.set(mask.subarray(group * before, (group + 1) * before), r * (before + length));
      whole.set(own.mask.subarray(r * length, (r + 1) * length), r * (before + length) + before);
    });
    return { input_ids: own.ids, attention_mask: this.#tensor(whole, [owner.length, before + length]), past_key_values: past };
  }

  /** Prompts of groups, a row each. */
  #prompts(groups: readonly Asked[], side: "left" | "right") {
    const asked = groups.map((group) => group.asked);
    const { ids, mask, length } = padded(asked.length === 1 ? [...asked, ...asked] : asked, this.tokens.padId, side);
    const shape = [ids.length / length, length];
    return { ids, mask, shape };
  }

  /** Row `owner[r]` of a tensor as its row r. */
  async #repeated(tensor: LibraryTensor, owner: readonly number[]): Promise<LibraryTensor> {
    const { dims, type, location } = tensor;
    const held = tensor as unknown as { ort_tensor?: ort.Tensor; getData(): Promise<unknown> };
    const data = (location === "cpu" ? tensor.data : await (held.ort_tensor ?? held).getData()) as Float32Array;
    if (location !== "cpu") tensor.dispose();
    return new this.#library.Tensor(type, repeat(data, data.length / (dims[0] as number), owner), [owner.length, ...dims.slice(1)]);
  }

  #tensor(values: BigInt64Array, dims: readonly number[]): LibraryTensor {
    return new this.#library.Tensor("int64", values, [...dims]);
  }

  /** The library's model over these sessions; it holds nothing but their names. `wanted`: the decoder's outputs, all unless told. */
  #model({ encoder, decoder }: Voices, wanted?: readonly string[]): PreTrainedModel {
    const sessions = encoder ? { model: thin(encoder, this.#name), decoder_model_merged: thin(decoder, this.#name, wanted) } : { model: thin(decoder, this.#name, wanted) };
    return new this.#Class(this.#config as never, sessions, { generation_config: this.#generation });
  }
}

/** Texts behind one prompt. */
interface Asked {
  /** Place of the first among all pairs. */
  readonly first: number;
  /** Tokens of the prompt that go through once for all rows: an encoder's, or (`read`) those a decoder reads into its cache. */
  readonly asked: readonly number[];
  readonly rows: readonly Row[];
  readonly read: boolean;
}

interface Row {
  readonly index: number;
  /** Tokens a decoder reads for this row. */
  readonly ids: readonly number[];
  /** How many of the last tokens are the text's. */
  readonly said: number;
}

interface Logits {
  readonly values: Float32Array;
  readonly length: number;
  readonly vocabulary: number;
}

const lengthOf = ({ asked, rows }: Asked): number => asked.length + Math.max(...rows.map(({ ids }) => ids.length));

/** How many first tokens all rows have in common. */
function common(rows: readonly (readonly number[])[]): number {
  const [first = [], ...others] = rows;
  const end = first.findIndex((id, i) => others.some((row) => row[i] !== id));
  return end === -1 ? first.length : end;
}

function repeat<A extends Float32Array | BigInt64Array>(values: A, each: number, owner: readonly number[]): A {
  const out = new (values.constructor as new (length: number) => A)(owner.length * each);
  owner.forEach((from, r) => (out as { set(values: unknown, at: number): void }).set(values.subarray(from * each, (from + 1) * each), r * each));
  return out;
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
      await breath(); // pings and pauses are heard between two tokens
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
