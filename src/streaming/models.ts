/** Models of a merge of folders: files known by name, weights opened as far as their headers, configurations read. */
import { openSafetensors, type SafetensorsCheckpoint } from "../checkpoint/safetensors/open.ts";
import type { ByteSource, SourceFile } from "../checkpoint/safetensors/source.ts";
import { LabError } from "../lib/error.ts";
import type { MergeRun } from "../methods/runs.ts";
import { READ } from "../recipe/plan/files.ts";
import { modelsOf } from "../recipe/plan/plan.ts";
import { readTokenizer, type Tokenizer } from "../recipe/plan/tokenizer.ts";
import type { ModelHeader } from "../recipe/plan/types.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { HubFolder, HubProgress, MountedFile } from "../threads/hub.ts";
import type { StreamingHub } from "../threads/streaming.ts";
import { sourceOf } from "./places.ts";

/** A configuration or tokenizer beyond this is none. */
const SMALL_MOST = 256e6;

export interface ModelFolder {
  readonly reference: string;
  readonly told: HubFolder;
  has(path: string): boolean;
  /** Where its bytes lie; downloaded first, from the Hub. */
  place(path: string): Promise<MountedFile>;
  /** A small file that it has. */
  bytes(path: string): Promise<Uint8Array<ArrayBuffer>>;
  text(path: string): Promise<string>;
}

export interface StreamedModel {
  readonly id: string;
  readonly folder: ModelFolder;
  readonly checkpoint: SafetensorsCheckpoint;
  readonly header: ModelHeader;
}

/** Path in its folder of the file that a tensor lies in. */
export function fileOf({ folder, checkpoint }: StreamedModel, tensor: string): string {
  return (checkpoint.get(tensor)?.file ?? "").slice(folder.reference.length + 1);
}

export interface StreamedModels {
  /** As the plan counts them. */
  readonly models: readonly StreamedModel[];
  /** The model of `tokenizer_source` where that is none of them. */
  readonly foreign: { readonly folder: ModelFolder; readonly tokenizer: Tokenizer } | null;
  /** Texts of tokenizer files, by model id or reference, as far as the recipe changes them. */
  readonly texts: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export interface OpenOptions {
  readonly hub: StreamingHub;
  /** false: headers of files on the Hub are read where they lie; nothing is downloaded. */
  readonly download: boolean;
  readonly onProgress?: HubProgress;
}

export async function openModels(recipe: Recipe, run: MergeRun, options: OpenOptions): Promise<StreamedModels> {
  const ids = modelsOf(recipe, run);
  const changes = recipe.tokenizer !== undefined || recipe.tokenizer_source !== undefined || recipe.chat_template !== undefined;
  const texts = new Map<string, Map<string, string>>();
  const models = await Promise.all(ids.map(async (id): Promise<StreamedModel> => {
    const folder = await openFolder(referenceOf(recipe, id), options);
    if (changes) texts.set(id, await tokenizerTexts(folder));
    const [checkpoint, config] = await Promise.all([checkpointOf(folder, options), configOf(folder)]);
    const { tensors } = checkpoint;
    return { id, folder, checkpoint, header: { id, tensors, config, tokenizer: changes ? tokenizerOf(folder, texts.get(id)) : null } };
  }));
  const source = recipe.tokenizer?.source ?? recipe.tokenizer_source;
  const foreign = source !== undefined && source.includes("/") ? await openForeign(source, options) : null;
  if (foreign && source !== undefined) texts.set(source, await tokenizerTexts(foreign.folder));
  return { models, foreign, texts };
}

export function referenceOf(recipe: Recipe, id: string): string {
  const model = id === "base" ? recipe.base.model : recipe.experts.find((expert) => expert.id === id)?.model;
  if (model === undefined) throw new LabError("internal", `The recipe has no model ${id}.`);
  return model;
}

async function openFolder(reference: string, { hub, onProgress }: OpenOptions): Promise<ModelFolder> {
  const told = await hub.folder(reference);
  if (told.adapter) throw new LabError("unsupported-safetensors", `${reference} is a model with an adapter. Merges of folders take whole models so far: merge the adapter into its model first.`, { details: { reference } });
  const has = (path: string) => told.files.some((file) => file.path === path);
  const places = new Map<string, Promise<MountedFile>>();
  const place = (path: string) => {
    let found = places.get(path);
    if (!found) places.set(path, (found = hub.place(reference, path, onProgress)));
    return found;
  };
  const bytes = async (path: string) => {
    const size = told.files.find((file) => file.path === path)?.bytes ?? 0;
    if (size > SMALL_MOST) throw new LabError("bad-safetensors", `${reference}/${path} has ${(size / 1e6).toFixed(0)} MB, more than any such file needs.`);
    return hub.bytes(reference, path, 0, size);
  };
  return { reference, told, has, place, bytes, text: async (path) => new TextDecoder().decode(await bytes(path)) };
}

async function checkpointOf(folder: ModelFolder, { hub, download }: OpenOptions): Promise<SafetensorsCheckpoint> {
  const { reference, told } = folder;
  const files = told.files.map(({ path, bytes }): SourceFile => {
    const source: ByteSource = download
      ? lazySource(bytes, async () => sourceOf(await folder.place(path)))
      : { size: bytes, read: (begin, end) => hub.bytes(reference, path, begin, end) };
    return { path: `${reference}/${path}`, source }; // as messages name it
  });
  return openSafetensors(files, { model: reference });
}

function lazySource(size: number, open: () => Promise<ByteSource>): ByteSource {
  let source: Promise<ByteSource> | null = null;
  return { size, read: async (begin, end, signal) => (await (source ??= open())).read(begin, end, signal) };
}

async function configOf(folder: ModelFolder): Promise<Record<string, unknown> | null> {
  if (!folder.has("config.json")) return null;
  const text = await folder.text("config.json");
  try {
    const config: unknown = JSON.parse(text);
    if (typeof config === "object" && config !== null && !Array.isArray(config)) return config as Record<string, unknown>;
  } catch (cause) {
    throw new LabError("bad-safetensors", `${folder.reference}/config.json is not JSON. Download it again.`, { cause, details: { file: `${folder.reference}/config.json` } });
  }
  throw new LabError("bad-safetensors", `${folder.reference}/config.json holds no configuration. Download it again.`, { details: { file: `${folder.reference}/config.json` } });
}

async function tokenizerTexts(folder: ModelFolder): Promise<Map<string, string>> {
  const there = READ.filter((name) => folder.has(name));
  return new Map(await Promise.all(there.map(async (name) => [name, await folder.text(name)] as const)));
}

function tokenizerOf({ reference }: ModelFolder, texts: ReadonlyMap<string, string> | undefined): Tokenizer | null {
  const text = texts?.get("tokenizer.json");
  return text === undefined ? null : readTokenizer(text, texts?.get("tokenizer_config.json") ?? null, `${reference}/tokenizer.json`);
}

async function openForeign(reference: string, options: OpenOptions): Promise<NonNullable<StreamedModels["foreign"]>> {
  const folder = await openFolder(reference, options);
  const tokenizer = tokenizerOf(folder, await tokenizerTexts(folder));
  if (!tokenizer) throw new LabError("not-found", `${reference}, which tokenizer_source names, has no tokenizer.json.`, { details: { reference } });
  return { folder, tokenizer };
}
