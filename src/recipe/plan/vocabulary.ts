/**
 * A new vocabulary, and which row of which model each of its rows is. mergekit 0.1.5's rules: a model's own row where it has the token;
 * else what the recipe says of the token; else, of the models that are merged here, the only one that has it, the base if it has it,
 * the mean of those that have it, or zeros.
 */
import { LabError } from "../../lib/error.ts";
import type { RecipeToken } from "../tokenizer.ts";
import { extended, stripped, type AddedToken, type Tokenizer } from "./tokenizer.ts";

export interface VocabularyModel {
  readonly id: string;
  /** Null: taken to be the base's. */
  readonly tokenizer: Tokenizer | null;
  /** Rows that its embeddings have tokens for: `vocab_size`. */
  readonly rows: number;
  /** For messages. */
  readonly name: string;
}

export interface Vocabulary {
  readonly tokenizer: Tokenizer;
  /** Token by row. */
  readonly tokens: readonly string[];
  /** Rows of the result: the tokens, padded. */
  readonly rows: number;
  /** Row of each token in a model's own tensors, −1 where it has none; by model id. */
  readonly own: ReadonlyMap<string, Int32Array>;
  /** What the recipe says of single tokens, by row, each as a row of a model or as zeros. */
  readonly said: ReadonlyMap<number, { readonly from: RowOf | null; readonly force: boolean }>;
}

export interface RowOf {
  readonly model: string;
  readonly row: number;
}

/** Where the rows of one vocabulary tensor come from. */
export interface RowLayout {
  /** All rows, padding included. */
  readonly rows: number;
  /** Rows from here on are padding: the mean of the rows before, a model at a time. */
  readonly tokens: number;
  /** By input: its own row, or −1: `missing` says what then. */
  readonly own: readonly Int32Array[];
  /** By row: rows whose mean it is (sums, then divided, as numbers of the type the merge computes in); empty: zeros. */
  readonly missing: ReadonlyMap<number, readonly { readonly input: number; readonly row: number }[]>;
}

export interface VocabularyOptions {
  /** base, union, or a model's id. */
  readonly source: string;
  readonly tokens: Readonly<Record<string, RecipeToken>>;
  readonly padTo: number | null;
  /** Tokenizer of `source` where that is none of the models. */
  readonly foreign: Tokenizer | null;
}

/** `models[0]` is the base: whose tokens keep their numbers in a union. */
export function layVocabulary(models: readonly VocabularyModel[], { source, tokens: said, padTo, foreign }: VocabularyOptions): Vocabulary {
  const [base] = models;
  if (base === undefined || base.tokenizer === null) {
    throw new LabError("not-found", `${base?.name ?? "The base"} has no tokenizer.json, which a new vocabulary starts from; add it, or leave tokenizer_source out.`);
  }
  const ofBase = stripped(base.tokenizer, base.rows, `The tokenizer of ${base.name}`);
  const known = models.map((model, i) => ({ ...model, tokenizer: i === 0 ? ofBase : (model.tokenizer ?? ofBase) }));
  const chosen = source === "base" ? ofBase : source === "union" ? unionOf(ofBase, known) : (foreign ?? known.find(({ id }) => id === source)?.tokenizer);
  if (chosen === undefined) throw new LabError("not-found", `The tokenizer of ${source} is not there, though tokenizer_source names it.`);
  const tokenizer = extended(chosen, Object.keys(said).map((content) => ({ content })));
  const tokens = inOrder(tokenizer, source);
  const own = new Map(known.map(({ id, tokenizer: mine, rows }) => [id, Int32Array.from(tokens, (token) => {
    const row = mine.vocabulary.get(token) ?? -1;
    return row < rows ? row : -1;
  })]));
  const rows = padTo === null ? tokens.length : Math.ceil(tokens.length / padTo) * padTo;
  const place = new Map(tokens.map((token, row) => [token, row]));
  const rules = Object.entries(said).map(([token, rule]) => [place.get(token) ?? 0, { from: rowOf(token, rule, known), force: rule.force }] as const);
  return { tokenizer, tokens, rows, own, said: new Map(rules) };
}

/** The base's tokens, then others' plain tokens, then others' added tokens, each by its number there. */
function unionOf(base: Tokenizer, models: readonly { readonly tokenizer: Tokenizer; readonly rows: number }[]): Tokenizer {
  const plain: { content: string }[] = [];
  const added: AddedToken[] = [];
  for (const { tokenizer, rows } of models) {
    const special = new Set(tokenizer.added.map(({ content }) => content));
    const mine = [...tokenizer.vocabulary].filter(([token, id]) => id < rows && !special.has(token)).sort(([, a], [, b]) => a - b);
    plain.push(...mine.map(([content]) => ({ content })));
    added.push(...[...tokenizer.added].filter(({ id }) => id < rows).sort((a, b) => a.id - b.id));
  }
  const addedTokens = new Set(added.map(({ content }) => content));
  return extended(base, [...plain.filter(({ content }) => !addedTokens.has(content) && !base.vocabulary.has(content)), ...added]);
}

function inOrder({ vocabulary }: Tokenizer, source: string): string[] {
  const tokens = new Array<string | undefined>(vocabulary.size);
  for (const [token, id] of vocabulary) tokens[id] = token;
  const gap = tokens.length > vocabulary.size || tokens.includes(undefined) ? [...tokens].findIndex((token) => token === undefined) : -1;
  if (gap >= 0) throw new LabError("unsupported-safetensors", `The tokenizer of ${source} gives number ${gap} to no token, so rows and tokens do not match.`);
  return tokens as string[];
}

function rowOf(token: string, { source }: RecipeToken, models: readonly { readonly id: string; readonly name: string; readonly tokenizer: Tokenizer; readonly rows: number }[]): RowOf | null {
  if (typeof source !== "string" && source.kind === "zero") return null;
  const id = typeof source === "string" ? source : source.model;
  const model = models.find((one) => one.id === id);
  const asked = typeof source === "string" ? token : (source.token ?? null);
  const row = typeof source !== "string" && source.token_id !== undefined ? source.token_id : (model?.tokenizer.vocabulary.get(asked ?? "") ?? -1);
  if (model === undefined || row < 0 || row >= model.rows) {
    throw new LabError("bad-recipe", `tokenizer.tokens.${token} takes ${asked === null ? `row ${row}` : JSON.stringify(asked)} of ${model?.name ?? id}, which has no such token.`);
  }
  return { model: id, row };
}

/** For one tensor: `inputs` are the models that are merged into it, in order; `base` is one of them, or null. */
export function layRows(vocabulary: Vocabulary, inputs: readonly string[], base: string | null): RowLayout {
  const { tokens, said } = vocabulary;
  const rowsOf = (id: string) => {
    const rows = vocabulary.own.get(id);
    if (rows === undefined) throw new LabError("internal", `The vocabulary knows no model ${id}.`);
    return rows;
  };
  const theirs = inputs.map(rowsOf);
  const own = theirs.map((rows) => Int32Array.from(rows));
  const missing = new Map<number, { input: number; row: number }[]>();
  const baseAt = base === null ? -1 : inputs.indexOf(base);
  for (let row = 0; row < tokens.length; row++) {
    const rule = said.get(row);
    if (rule?.force) for (const rows of own) rows[row] = -1;
    if (!own.some((rows) => (rows[row] ?? -1) < 0)) continue;
    if (rule !== undefined) {
      const at = rule.from === null ? -1 : inputs.indexOf(rule.from.model);
      if (rule.from !== null && at < 0) throw new LabError("bad-recipe", `tokenizer.tokens.${tokens[row]} takes a row of ${rule.from.model}, which is not merged where its embeddings are.`);
      missing.set(row, rule.from === null ? [] : [{ input: at, row: rule.from.row }]);
      continue;
    }
    const having = theirs.flatMap((rows, input) => ((rows[row] ?? -1) >= 0 ? [{ input, row: rows[row] ?? -1 }] : []));
    const ofBase = having.find(({ input }) => input === baseAt);
    missing.set(row, having.length > 1 && ofBase !== undefined ? [ofBase] : having);
  }
  return { rows: vocabulary.rows, tokens: tokens.length, own, missing };
}
