/** Files beside the weights: what is copied from the donor (or from whoever gives the tokenizer), and what is written anew. */
import { parsePythonJson, pythonJsonText } from "../../lib/pythonJson.ts";
import type { Recipe } from "../schema.ts";
import { commonest, namedTemplates } from "./templates.ts";
import type { MergePlan } from "./types.ts";

/** Small files of a model, text by name; those of `READ` are all that is needed. */
export type SmallFiles = ReadonlyMap<string, string>;

/** Files whose text is looked at; others are copied unseen. */
export const READ = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json"];

const OF_TOKENIZER = [
  "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "added_tokens.json", "vocab.json", "vocab.txt",
  "merges.txt", "chat_template.jinja", "chat_template.json",
];
/** They say the vocabulary once more, so they go where it is no longer theirs. */
const SAYS_VOCABULARY = ["tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "added_tokens.json", "vocab.json", "vocab.txt", "merges.txt"];
const OF_MODEL = ["generation_config.json", "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json", "normalizer.json"];

export interface ResultFiles {
  /** Text by path. */
  readonly written: ReadonlyMap<string, string>;
  /** Names, with the model they are copied from: an id, or the reference that tokenizer_source gives. */
  readonly copied: readonly { readonly from: string; readonly path: string }[];
}

/** `has`: names of the small files of a model; `text`: config.json and those of `READ`, parsed nowhere before. Models by id, as in the plan. */
export function resultFiles(plan: MergePlan, recipe: Recipe, has: (model: string) => ReadonlySet<string>, text: (model: string, name: string) => string | null): ResultFiles {
  const { donor, tokenizer, tokenizerFrom } = plan;
  const written = new Map<string, string>();
  const configText = text(tokenizerFrom, "tokenizer_config.json");
  if (plan.config !== null) written.set("config.json", jsonLike(plan.config, text(donor, "config.json")));
  const same = tokenizer === null || equal(tokenizer.raw, parsed(text(tokenizerFrom, "tokenizer.json")));
  if (!same) {
    written.set("tokenizer.json", json(tokenizer.raw));
    const config = parsed(configText);
    const decoder = config?.added_tokens_decoder;
    if (config !== null && typeof decoder === "object" && decoder !== null) {
      const entries = tokenizer.added.map(({ id, ...rest }) => [String(id), rest]);
      written.set("tokenizer_config.json", jsonLike({ ...config, added_tokens_decoder: Object.fromEntries(entries) as unknown }, configText));
    }
  }
  const template = templateOf(recipe, plan, text);
  if (template !== null) {
    written.set("chat_template.jinja", template);
    const before = written.get("tokenizer_config.json") ?? configText;
    const config = parsed(before);
    if (config !== null && "chat_template" in config) written.set("tokenizer_config.json", jsonLike({ ...config, chat_template: template }, before));
  }
  const left = new Set([...written.keys(), ...(same ? [] : SAYS_VOCABULARY), ...(template === null ? [] : ["chat_template.json"])]);
  const copies = (from: string, names: readonly string[]) => names.filter((name) => has(from).has(name) && !left.has(name)).map((path) => ({ from, path }));
  return { written, copied: [...copies(tokenizerFrom, OF_TOKENIZER), ...copies(donor, OF_MODEL)] };
}

function templateOf(recipe: Recipe, plan: MergePlan, text: (model: string, name: string) => string | null): string | null {
  const { chat_template: asked } = recipe;
  if (asked === undefined) return null;
  if (asked !== "auto") return namedTemplates[asked] ?? asked;
  return commonest(plan.models.map((model) => {
    const config = parsed(text(model, "tokenizer_config.json"))?.chat_template;
    const listed: unknown = Array.isArray(config) ? (config as { name?: unknown; template?: unknown }[]).find(({ name }) => name === "default")?.template : config;
    return text(model, "chat_template.jinja") ?? (typeof listed === "string" ? listed : null);
  }));
}

function parsed(text: string | null): Record<string, unknown> | null {
  if (text === null) return null;
  try {
    const { value } = parsePythonJson(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null; // a broken file is copied as it is
  }
}

/** Numbers as `before` has them. */
const jsonLike = (value: unknown, before: string | null) => pythonJsonText(value, before === null ? undefined : parsePythonJson(before).numbers);
const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
const equal = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
