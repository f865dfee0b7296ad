/** Models of a merge of folders: files known by name, weights opened as far as their headers, configurations read. */
import type { CheckpointReader } from "../checkpoint/lora/adapted.ts";
import { openSafetensors } from "../checkpoint/safetensors/open.ts";
import { LabError } from "../lib/error.ts";
import { parsePythonJson } from "../lib/pythonJson.ts";
import type { MergeRun } from "../methods/runs.ts";
import { READ } from "../recipe/plan/files.ts";
import { modelsOf } from "../recipe/plan/plan.ts";
import { readTokenizer, type Tokenizer } from "../recipe/plan/tokenizer.ts";
import type { ModelHeader } from "../recipe/plan/types.ts";
import type { Recipe } from "../recipe/schema.ts";
import { openAdapted, type StreamedAdapter } from "./adapters.ts";
import { type FileOf, fileIn, type ModelFolder, type OpenOptions, openFolder, sourcesOf } from "./folder.ts";

export interface StreamedModel {
  readonly id: string;
  readonly folder: ModelFolder;
  /** Its own, without what an adapter changes. */
  readonly checkpoint: CheckpointReader;
  readonly adapter: StreamedAdapter | null;
  readonly header: ModelHeader;
}

/** The files that a tensor is read from: the one it lies in, and the adapter's where that changes it. */
export function filesOf({ folder, checkpoint, adapter }: StreamedModel, tensor: string): FileOf[] {
  const own = adapter?.replaced(tensor) ? undefined : checkpoint.get(tensor);
  return [...(own ? [fileIn(folder, own)] : []), ...(adapter?.read(tensor) ?? []).map((stored) => fileIn((adapter as StreamedAdapter).folder, stored))];
}

export interface StreamedModels {
  /** As the plan counts them. */
  readonly models: readonly StreamedModel[];
  /** The model of `tokenizer_source` where that is none of them. */
  readonly foreign: { readonly reference: string; readonly folder: ModelFolder; readonly tokenizer: Tokenizer } | null;
  /** Texts of config.json, and of tokenizer files where the recipe changes them, by model id or reference. */
  readonly texts: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export async function openModels(recipe: Recipe, run: MergeRun, options: OpenOptions): Promise<StreamedModels> {
  const ids = modelsOf(recipe, run);
  const changes = recipe.tokenizer !== undefined || recipe.tokenizer_source !== undefined || recipe.chat_template !== undefined;
  const texts = new Map<string, Map<string, string>>();
  const models = await Promise.all(ids.map(async (id): Promise<StreamedModel> => {
    const reference = referenceOf(recipe, id);
    const told = await options.hub.folder(reference);
    const [plain, added] = told.adapter ? parted(reference) : [reference, null];
    const folder = await openFolder(plain, options);
    texts.set(id, await textsOf(folder, changes ? ["config.json", ...READ] : ["config.json"]));
    const checkpoint = await openSafetensors(sourcesOf(folder, options), { model: plain });
    const config = configOf(folder, texts.get(id)?.get("config.json"));
    const adapter = added === null ? null : await openAdapted(checkpoint, await openFolder(added, options), { base: plain, options });
    const { tensors } = adapter ?? checkpoint;
    return { id, folder, checkpoint, adapter, header: { id, tensors, config, tokenizer: changes ? tokenizerOf(folder, texts.get(id)) : null } };
  }));
  const source = recipe.tokenizer?.source ?? recipe.tokenizer_source;
  const foreign = source !== undefined && source.includes("/") ? await openForeign(source, options) : null;
  if (foreign && source !== undefined) texts.set(source, await textsOf(foreign.folder, READ));
  return { models, foreign, texts };
}

export function referenceOf(recipe: Recipe, id: string): string {
  const model = id === "base" ? recipe.base.model : recipe.experts.find((expert) => expert.id === id)?.model;
  if (model === undefined) throw new LabError("internal", `The recipe has no model ${id}.`);
  return model;
}

/** A model and the adapter on it. */
function parted(reference: string): [string, string] {
  const plus = reference.lastIndexOf("+");
  return [reference.slice(0, plus), reference.slice(plus + 1)];
}

function configOf({ reference }: ModelFolder, text: string | undefined): Record<string, unknown> | null {
  if (text === undefined) return null;
  const file = `${reference}/config.json`;
  try {
    const config = parsePythonJson(text).value;
    if (typeof config === "object" && config !== null && !Array.isArray(config)) return config as Record<string, unknown>;
  } catch (cause) {
    throw new LabError("bad-safetensors", `${file} is not JSON. Download it again.`, { cause, details: { file } });
  }
  throw new LabError("bad-safetensors", `${file} holds no configuration. Download it again.`, { details: { file } });
}

/** Those of the files that it has. */
async function textsOf(folder: ModelFolder, names: readonly string[]): Promise<Map<string, string>> {
  const there = names.filter((name) => folder.has(name));
  return new Map(await Promise.all(there.map(async (name) => [name, await folder.text(name)] as const)));
}

function tokenizerOf({ reference }: ModelFolder, texts: ReadonlyMap<string, string> | undefined): Tokenizer | null {
  const text = texts?.get("tokenizer.json");
  return text === undefined ? null : readTokenizer(text, texts?.get("tokenizer_config.json") ?? null, `${reference}/tokenizer.json`);
}

async function openForeign(reference: string, options: OpenOptions): Promise<NonNullable<StreamedModels["foreign"]>> {
  const told = await options.hub.folder(reference);
  const folder = await openFolder(told.adapter ? parted(reference)[0] : reference, options);
  const tokenizer = tokenizerOf(folder, await textsOf(folder, READ));
  if (!tokenizer) throw new LabError("not-found", `${reference}, which tokenizer_source names, has no tokenizer.json.`, { details: { reference } });
  return { reference, folder, tokenizer };
}
