/**
 * A tokenizer as far as merging needs it: which token has which number. Read from `tokenizer.json`, which transformers' fast
 * tokenizers are; the rest of the file is carried along as it is.
 */
import { LabError } from "../../lib/error.ts";

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word?: boolean;
  readonly lstrip?: boolean;
  readonly rstrip?: boolean;
  readonly normalized?: boolean;
  readonly special?: boolean;
}

export interface Tokenizer {
  /** Number by token, added ones among them. */
  readonly vocabulary: ReadonlyMap<string, number>;
  readonly added: readonly AddedToken[];
  /** BPE, Unigram, WordPiece, WordLevel. */
  readonly type: string;
  /** The parsed file. */
  readonly raw: Readonly<Record<string, unknown>>;
}

type Json = Readonly<Record<string, unknown>>;

/** `config`: text of `tokenizer_config.json`, which newer files list added tokens in too; null where there is none. */
export function readTokenizer(text: string, config: string | null, file: string): Tokenizer {
  const raw = object(parse(text, file));
  const model = raw === null ? null : object(raw.model);
  if (raw === null || model === null) throw bad(file, "has no model");
  const vocabulary = new Map<string, number>();
  const put = (token: unknown, id: unknown) => {
    if (typeof token !== "string" || typeof id !== "number" || !Number.isSafeInteger(id) || id < 0 || id > 2 ** 31) throw bad(file, "gives a token no whole number");
    vocabulary.set(token, id);
  };
  const written = model.vocab;
  if (Array.isArray(written)) written.forEach((entry: unknown, id) => put(Array.isArray(entry) ? entry[0] : entry, id));
  else if (object(written) !== null) for (const [token, id] of Object.entries(written as Json)) put(token, id);
  else throw bad(file, "has no vocabulary");
  const added: AddedToken[] = [];
  for (const one of Array.isArray(raw.added_tokens) ? (raw.added_tokens as unknown[]) : []) {
    const entry = object(one);
    put(entry?.content, entry?.id);
    added.push(entry as unknown as AddedToken);
  }
  const listed = config === null ? null : object(object(parse(config, file))?.added_tokens_decoder);
  for (const [id, one] of Object.entries(listed ?? {})) {
    const entry = object(one);
    if (entry === null || typeof entry.content !== "string" || vocabulary.has(entry.content)) continue;
    put(entry.content, Number(id));
    added.push({ ...(entry as unknown as AddedToken), id: Number(id) });
  }
  return { vocabulary, added, type: typeof model.type === "string" ? model.type : Array.isArray(written) ? "Unigram" : "BPE", raw };
}

/** Without tokens that have no row, as mergekit strips the base's; null where there are none. */
export function stripped(tokenizer: Tokenizer, rows: number, file: string): Tokenizer {
  const gone = new Set([...tokenizer.vocabulary].filter(([, id]) => id >= rows).map(([token]) => token));
  if (gone.size === 0) return tokenizer;
  if (tokenizer.type !== "BPE") throw new LabError("unsupported-safetensors", `${file} has ${gone.size} tokens beyond the ${rows} rows of its model. Such tokens can be taken out of BPE tokenizers only, and this is ${tokenizer.type}.`);
  const model = tokenizer.raw.model as Json;
  const parts = (merge: unknown) => (typeof merge === "string" ? merge.split(" ") : (merge as string[]));
  const raw = {
    ...tokenizer.raw,
    added_tokens: tokenizer.added.filter(({ id }) => id < rows),
    model: {
      ...model,
      vocab: Object.fromEntries(Object.entries(model.vocab as Record<string, number>).filter(([token]) => !gone.has(token))),
      // A merge into a token that is not there would make the file unreadable.
      merges: (model.merges as unknown[]).filter((merge) => ![...parts(merge), parts(merge).join("")].some((part) => gone.has(part))),
    },
  };
  return { ...tokenizer, raw, added: raw.added_tokens, vocabulary: new Map([...tokenizer.vocabulary].filter(([, id]) => id < rows)) };
}

/** With more added tokens, numbered on; those it has are passed over. */
export function extended(tokenizer: Tokenizer, tokens: readonly Omit<AddedToken, "id">[]): Tokenizer {
  const vocabulary = new Map(tokenizer.vocabulary);
  const added = [...tokenizer.added];
  let next = [...vocabulary.values()].reduce((most, id) => Math.max(most, id + 1), 0);
  for (const token of tokens) {
    const known = vocabulary.get(token.content);
    if (known !== undefined && added.some(({ content }) => content === token.content)) continue;
    const id = known ?? next++;
    vocabulary.set(token.content, id);
    added.push({ id, content: token.content, single_word: token.single_word ?? false, lstrip: token.lstrip ?? false, rstrip: token.rstrip ?? false, normalized: token.normalized ?? !token.special, special: token.special ?? false });
  }
  return added.length === tokenizer.added.length ? tokenizer : { ...tokenizer, vocabulary, added, raw: { ...tokenizer.raw, added_tokens: [...added].sort((a, b) => a.id - b.id) } };
}

function parse(text: string, file: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw bad(file, "is not JSON", error);
  }
}

function object(value: unknown): Json | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

function bad(file: string, why: string, cause?: unknown): LabError {
  return new LabError("unsupported-safetensors", `${file} ${why}, so tokens cannot be matched; leave tokenizer_source out, or give the model a tokenizer.json of transformers.`, { cause });
}
