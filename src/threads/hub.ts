/** The hub thread: where models and samples come from. Downloads, verifies, caches, parses. Types only. */
import type { LowRank } from "../checkpoint/lora/factors.ts";
import type { WeightMap } from "../space/align/weightMap.ts";
import type { ImagePreprocessor, ModelConfig, ModelFile, NamesMap, OnnxSkeleton } from "../checkpoint/types.ts";

/** Files of a folder outside the zoo: dropped on the page (blob), or served by the command line's own server (url). */
export interface MountedFile {
  path: string;
  bytes: number;
  url?: string;
  blob?: Blob;
  /** In the hub's own database, where any thread of this site reads it. */
  kept?: KeptFile;
  /** Beside its blob: where it lies in the origin's own file system. */
  stored?: string;
}

export interface KeptFile {
  database: string;
  key: string;
}

export interface HubOptions {
  /** Absolute URL the zoo lies under: `${assets}zoo/glyphs/...`. Ends in "/". */
  assets: string;
  /** Prefix of the IndexedDB database. */
  storage: string;
  /** Folders known by reference: "./experts/a" → its files. */
  mounts: Record<string, MountedFile[]>;
  /** Address of the Hub or a mirror; huggingface.co unless told. */
  hub?: string;
  /** Address of its dataset viewer; `datasets-server.` before the Hub's host unless told. */
  viewer?: string;
}

export interface ZooFamily {
  family: string;
  version: number;
  title: string;
  summary: string;
  licence: string;
  batch: number;
  names?: string;
  base: ZooModel;
  experts: ZooModel[];
  /** `head`: expert whose head scores it, where models have heads; `metric`: accuracy unless told. */
  tasks: { id: string; title: string; head?: string; source: string; metric?: string; labels: string[] }[];
  parameters: number;
  files: Record<string, { bytes: number; sha256: string }>;
  measured?: unknown;
}

export interface ZooModel {
  id: string;
  model: string;
  title: string;
  summary: string;
  icon: string;
}

export interface LoadedModel {
  /** As asked. */
  ref: string;
  /** Handle for `tensor()` and `release()`. */
  handle: number;
  skeleton: OnnxSkeleton;
  config: ModelConfig | null;
  preprocessor: ImagePreprocessor | null;
  names: NamesMap | null;
  files: ModelFile[];
  /** Commit it was read at, 40 hex; absent outside the Hub. */
  revision?: string;
  /** The family it belongs to, when bundled. */
  family: string | null;
  title: string;
  summary: string;
  icon: string;
  batch: number | null;
  downloadBytes: number;
  /** An adapter on the recipe's base, kept as factors: rank by weight id, 0 where it leaves a weight alone, −1 where it changes it otherwise. */
  ranks?: number[];
  /** What is worth knowing of how its weights were put into another model's graph. */
  notes?: readonly string[];
  /** What went wrong without stopping anything (storage full: kept in memory). Told once. */
  warnings?: { code: string; message: string }[];
}

/** Pictures of one size. */
export interface LoadedPictures {
  kind: "pictures";
  width: number;
  height: number;
  channels: number;
  labels: string[];
  /** True where the source keeps its sides apart itself; false: sides are cut by the sample rule of docs/recipe.md. */
  split: boolean;
  splits: Record<"optimise" | "validate" | "test", {
    /** `[count × height × width × channels]`, 0..255 */
    pixels: Uint8Array;
    label: number[];
    id: string[];
    cluster: string[] | null;
  }>;
  downloadBytes: number;
  /** What went wrong without stopping anything (storage full: kept in memory). Told once. */
  warnings?: { code: string; message: string }[];
}

/** Records as they came: lines of JSONL or CSV, rows of a Hub dataset, a bundled text set. A recipe's task says how they are asked. */
export interface LoadedRows {
  kind: "rows";
  /** Names of columns, first seen first. */
  columns: string[];
  /** What the source says of its samples; a recipe's task may say otherwise. */
  told: RowsTold;
  /** True where the source keeps its sides apart itself; false: sides are cut by the sample rule of docs/recipe.md. */
  split: boolean;
  splits: Record<"optimise" | "validate" | "test", { rows: Record<string, unknown>[]; id: string[]; cluster: string[] | null }>;
  /** Rows that few-shot examples are taken from, where the source has a split of its own for them. */
  shots?: { rows: Record<string, unknown>[]; id: string[] };
  /** Of a Hub dataset: the part that was read, and how many rows it has in all. */
  found?: { config: string; split: string; total: number; revision?: string };
  downloadBytes: number;
  warnings?: { code: string; message: string }[];
}

/** From samples.json of a bundled set, or a dataset's features. */
export interface RowsTold {
  kind?: "classification" | "regression" | "multiple_choice" | "generation" | "code" | "likelihood";
  metric?: string;
  maxNewTokens?: number;
  /** What counts is the text behind the last such marker. */
  extract?: string;
  /** Names of the classes that a column's whole numbers stand for, by column. */
  labels?: Record<string, string[]>;
}

export type LoadedSamples = LoadedPictures | LoadedRows;

/** A Hub dataset as a recipe names it; rows come from its viewer. */
export interface DatasetSource {
  dataset: string;
  config?: string | undefined;
  split?: string | undefined;
  /** Split that few-shot examples are taken from; the same unless told. */
  shots?: string | undefined;
  /** Commit, 40 hex, that its rows must be of. */
  revision?: string | undefined;
  columns?: Record<string, string> | undefined;
}

/** A look at rows before anything is scored: what there is, and how it begins. */
export interface RowsPreview {
  columns: string[];
  /** The first rows, each value as text: a string as it is, anything else as JSON, long ones cut with "…". */
  rows: Record<string, string>[];
  /** Rows in all. */
  count: number;
  told: RowsTold;
}

/** One file in the cache. `partial`: a download that can go on; `memory`: the disk took it not, it goes with the page. */
export interface CachedFile {
  id: string;
  /** "owner/name/onnx/model.onnx", as it was first asked for. */
  name: string;
  /** On the disk now. */
  bytes: number;
  state: "kept" | "partial" | "memory";
}

export interface PreflightOrder {
  base: string;
  experts: readonly string[];
  /** A repository whose ONNX graph the others' weights are put into; any of the models that has one, unless told. */
  graph?: string;
}

/** What a look at configurations and headers says, before anything large is downloaded. Base first, then experts as asked. */
export interface Preflight {
  /** null: only a download can tell (ONNX files with their weights inside). */
  fits: boolean | null;
  models: PreflightModel[];
  problems: PreflightProblem[];
  /** What is worth knowing and stops nothing: other base models, licences, vocabularies, heads. */
  notes: string[];
  /** Tensors and parameters that all models share; null where headers do not tell. */
  shared: { tensors: number; parameters: number } | null;
  /** Bytes to be downloaded now, and those that are in the cache already. */
  downloadBytes: number;
  cachedBytes: number;
  /** Bytes on the GPU: base, one direction an expert, one slot. Directions in f32, or packed as f16. null: unknown. */
  memoryBytes: { f32: number; f16: number } | null;
  /** Bytes read for this look. */
  readBytes: number;
}

export interface PreflightModel {
  ref: string;
  /** Why nothing is known of it (missing, gated, offline …); the rest is empty then. */
  error: { code: string; message: string } | null;
  /** 40 hex; null outside the Hub. */
  commit: string | null;
  format: "onnx" | "safetensors" | "lora" | null;
  modelType: string | null;
  licence: string | null;
  baseModels: string[];
  gated: boolean;
  private: boolean;
  /** Floating tensors and their elements; null where only a download tells. */
  tensors: number | null;
  parameters: number | null;
  dtypes: string[];
  /** Of the files that will be used. */
  files: { path: string; bytes: number; cached: boolean }[];
  bytes: number;
}

export interface PreflightProblem {
  /** Reference of the model it is about. */
  model: string;
  kind: "unreadable" | "architecture" | "layers" | "missing" | "extra" | "shape" | "adapter" | "no-graph" | "no-weights";
  message: string;
  tensor?: string;
  shape?: number[];
  baseShape?: number[];
}

/** A folder of files, as its listing tells. */
export interface HubFolder {
  reference: string;
  files: readonly { readonly path: string; readonly bytes: number; readonly sha256?: string }[];
  /** Commit it was read at, 40 hex; absent outside the Hub. */
  revision?: string;
  /** On the Hub: files are downloaded before they are read whole. */
  remote: boolean;
  /** A LoRA adapter is named with it. */
  adapter: boolean;
}

export type HubProgress = (event: { file: string; state: "download" | "verify" | "cache" | "cached"; loaded: number; total: number }) => void;

/** Of a folder that was pushed. */
export interface Pushed {
  /** 40 hex. */
  readonly commit: string;
  /** Page of the repository. */
  readonly url: string;
}

/** `share` 0–1 of one large file; small ones go with the commit. */
export type PushProgress = (event: { file: string; state: "hashing" | "uploading"; share: number }) => void;

export interface PushTo {
  /** "owner/name" */
  repo: string;
  /** With the right to write there: used for this and kept nowhere. */
  token: string;
  /** Of a repository that is made; one that is there stays as it is. */
  private?: boolean;
}

export interface HubService {
  open(options: HubOptions): Promise<void>;
  /** Another door for the merge thread: answers HubService calls on this port. */
  connect(port: MessagePort): void;
  families(): Promise<ZooFamily[]>;
  /** Resolves, downloads or takes from the cache, verifies, parses. Weights stay here until asked for. */
  /** `base`: the recipe's base, for models that have no graph of their own: their weights are put into its graph. */
  model(ref: string, onProgress?: HubProgress, base?: string): Promise<LoadedModel>;
  /** One weight as f32 (fp16, bf16, f64 are widened), transferred; the hub keeps only the file's bytes. */
  tensor(handle: number, weight: number): Promise<Float32Array>;
  /** What an adapter with `ranks` adds to one weight, in the graph's layout; null: no product of factors. */
  factors(handle: number, weight: number): Promise<LowRank | null>;
  /** The checkpoint behind a model's graph: its tensors, and where they stand in the graph. Compared by value where no names.json tells. */
  checkpoint(handle: number): Promise<{ map: WeightMap; tensors: { name: string; shape: readonly number[]; dtype: string }[] }>;
  /** A tensor of that checkpoint as it is stored. */
  stored(handle: number, name: string): Promise<Uint8Array>;
  /** `rows`: how many of a dataset are enough (its viewer gives a hundred a request); which those are hangs on `seed`. */
  samples(source: string | DatasetSource, onProgress?: HubProgress, rows?: number, seed?: number): Promise<LoadedSamples>;
  /** The first rows of a file, bundled set or dataset, for a look at its columns. 20 unless told. */
  rows(source: string | DatasetSource, limit?: number): Promise<RowsPreview>;
  /** Bytes of a file of a model as it lies in the repo (config.json, onnx/model.onnx …). */
  file(handle: number, path: string): Promise<Uint8Array>;
  release(handle: number): void;
  /** Makes a folder known by a reference, in place of what was known by it. */
  mount(ref: string, files: MountedFile[]): void;
  /** Files of any reference; nothing is read but the listing. */
  folder(ref: string): Promise<HubFolder>;
  /** Where a file's bytes lie, to be read a range at a time by any thread; downloaded and verified first where it is on the Hub. `path` is for messages. */
  place(ref: string, path: string, onProgress?: HubProgress): Promise<MountedFile>;
  /** Bytes begin…end−1 of a file; large ones on the Hub are not downloaded for it. */
  bytes(ref: string, path: string, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
  /** What the cache holds. */
  cached(): Promise<{ files: { key: string; bytes: number }[]; usage: number; quota: number; persisted: boolean }>;
  forget(key: string | null): Promise<void>;
  /** Can these be merged, what will it cost, what licence do they carry? Reads headers only; asks the Hub anew what branches stand for. */
  preflight(order: PreflightOrder): Promise<Preflight>;
  /** For gated and private repositories. Kept in this thread's memory, sent to the Hub and its dataset viewer only. null: none. */
  setToken(token: string | null): Promise<void>;
  /** Another Hub, mirror or viewer from now on; null: the Hub itself, its own viewer. A token that was set stays behind. */
  setHub(hub: string | null, viewer: string | null): Promise<void>;
  /** Gives up what is being downloaded now: whoever waits for it is told "cancelled". What came so far is kept. */
  stopDownloads(): void;
  /** Files into a repository of this Hub, in one commit. */
  push(files: readonly { path: string; bytes: Uint8Array }[], to: PushTo, onProgress?: PushProgress): Promise<Pushed>;
  /** Files of models, by name; downloads that were cut among them. */
  cacheList(): Promise<CachedFile[]>;
  /** false: another tab is downloading it just now. */
  cacheDelete(id: string): Promise<boolean>;
  cacheClear(): Promise<void>;
  /** In bytes, all of this site's storage. (`persist()` is the page's own: threads may not ask for it.) */
  storageEstimate(): Promise<{ usage: number; quota: number; persisted: boolean }>;
}
