/** A model's tokenizer, by its own files. Padding is ours: rows of a batch are as long as its longest. */
import type { PreTrainedTokenizer } from "@huggingface/transformers";
import { LabError } from "../../lib/error.ts";
import type { Library } from "./library.ts";

/** Small files of a model's folder, parsed; null: not there. */
export interface TextFiles {
  readonly tokenizer: Record<string, unknown>;
  readonly tokenizerConfig: Record<string, unknown>;
  readonly config: Record<string, unknown>;
  readonly generationConfig: Record<string, unknown> | null;
}

export interface Encoded {
  readonly ids: readonly number[];
  /** Segment of each token, where the model tells two texts apart by it. */
  readonly types: readonly number[] | null;
}

/** About 32 MB. */
const KEPT_TOKENS = 4e6;

export class Tokens {
  readonly padId: number;
  /** Tokens that end a text. */
  readonly ends: ReadonlySet<number>;
  /** Tokens a row may have at most. */
  readonly longest: number;
  readonly #tokenizer: PreTrainedTokenizer;
  /** Texts are asked for again with every candidate. */
  readonly #known = new Map<string, Encoded>();
  #room = KEPT_TOKENS;

  constructor(loaded: Library, files: TextFiles, model: string) {
    const name = String(files.tokenizerConfig["tokenizer_class"] ?? "PreTrainedTokenizer").replace(/Fast$/, "");
    const known = (loaded as unknown as Record<string, unknown>)[name];
    const Class = (typeof known === "function" && known.prototype instanceof loaded.PreTrainedTokenizer ? known : loaded.PreTrainedTokenizer) as typeof PreTrainedTokenizer;
    try {
      this.#tokenizer = new Class(files.tokenizer, files.tokenizerConfig);
    } catch (cause) {
      throw new LabError("unknown-model", `The tokenizer of ${model} cannot be read (${cause instanceof Error ? cause.message : String(cause)}). It must be a tokenizer.json of the tokenizers library.`, { cause });
    }
    const { config, generationConfig } = files;
    const number = (value: unknown) => (typeof value === "number" && Number.isInteger(value) && value >= 0 ? value : undefined);
    const told = generationConfig?.["eos_token_id"] ?? config["eos_token_id"];
    this.ends = new Set((Array.isArray(told) ? told : [told, number(this.#tokenizer.eos_token_id)]).map(number).filter((one) => one !== undefined));
    this.padId = number(config["pad_token_id"]) ?? number(this.#tokenizer.pad_token_id) ?? [...this.ends][0] ?? 0;
    this.longest = Math.min(...[config["max_position_embeddings"], config["n_positions"], this.#tokenizer.model_max_length].map((one) => number(one) ?? Infinity).filter((one) => one > 1), 4096);
  }

  /** With the special tokens its model was trained with. */
  encode(text: string, pair?: string): Encoded {
    const key = JSON.stringify([text, pair]);
    const known = this.#known.get(key);
    if (known) return known;
    const { input_ids, token_type_ids } = this.#tokenizer(text, { ...(pair === undefined ? {} : { text_pair: pair }), return_tensor: false }) as unknown as { input_ids: number[]; token_type_ids?: number[] };
    const encoded = { ids: input_ids, types: token_type_ids ?? null };
    this.#room -= input_ids.length;
    if (this.#room < 0) {
      this.#known.clear();
      this.#room = KEPT_TOKENS - input_ids.length;
    }
    this.#known.set(key, encoded);
    return encoded;
  }

  /** As `encode`, without a token at the end that would end the text: more is to follow. */
  begin(text: string): readonly number[] {
    const { ids } = this.encode(text);
    return ids.length > 1 && this.ends.has(ids.at(-1) as number) ? ids.slice(0, -1) : ids;
  }

  /** Up to the first token that ends a text. */
  decode(ids: readonly number[]): string {
    const end = ids.findIndex((id) => this.ends.has(id));
    const said = end === -1 ? [...ids] : ids.slice(0, end);
    return said.length === 0 ? "" : this.#tokenizer.decode(said, { skip_special_tokens: true });
  }
}

/** Rows padded to their longest, `[rows × length]`; `side`: where the padding stands. */
export function padded(rows: readonly (readonly number[])[], filler: number, side: "left" | "right"): { ids: BigInt64Array; mask: BigInt64Array; length: number } {
  const length = rows.reduce((most, row) => Math.max(most, row.length), 1);
  const ids = new BigInt64Array(rows.length * length).fill(BigInt(filler));
  const mask = new BigInt64Array(rows.length * length);
  rows.forEach((row, r) => {
    const from = r * length + (side === "left" ? length - row.length : 0);
    row.forEach((id, i) => {
      ids[from + i] = BigInt(id);
      mask[from + i] = 1n;
    });
  });
  return { ids, mask, length };
}
