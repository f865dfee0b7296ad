/** The hub thread: where models and samples come from. Downloads, verifies, caches, parses. Types only. */
import type { ImagePreprocessor, ModelConfig, ModelFile, NamesMap, OnnxSkeleton } from "../checkpoint/types.ts";

/** Files of a folder outside the zoo: dropped on the page (blob), or served by the command line's own server (url). */
export interface MountedFile {
  path: string;
  bytes: number;
  url?: string;
  blob?: Blob;
}

export interface HubOptions {
  /** Absolute URL the zoo lies under: `${assets}zoo/glyphs/...`. Ends in "/". */
  assets: string;
  /** Prefix of the IndexedDB database. */
  storage: string;
  /** Folders known by reference: "./experts/a" → its files. */
  mounts: Record<string, MountedFile[]>;
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
  tasks: { id: string; title: string; head: string; source: string; labels: string[] }[];
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
  /** The family it belongs to, when bundled. */
  family: string | null;
  title: string;
  summary: string;
  icon: string;
  batch: number | null;
  downloadBytes: number;
  /** What went wrong without stopping anything (storage full: kept in memory). Told once. */
  warnings?: { code: string; message: string }[];
}

export interface LoadedSamples {
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

/** One file in the cache. `partial`: a download that can go on; `memory`: the disk took it not, it goes with the page. */
export interface CachedFile {
  id: string;
  /** "owner/name/onnx/model.onnx", as it was first asked for. */
  name: string;
  /** On the disk now. */
  bytes: number;
  state: "kept" | "partial" | "memory";
}

export type HubProgress = (event: { file: string; state: "download" | "verify" | "cache" | "cached"; loaded: number; total: number }) => void;

export interface HubService {
  open(options: HubOptions): Promise<void>;
  /** Another door for the merge thread: answers HubService calls on this port. */
  connect(port: MessagePort): void;
  families(): Promise<ZooFamily[]>;
  /** Resolves, downloads or takes from the cache, verifies, parses. Weights stay here until asked for. */
  model(ref: string, onProgress?: HubProgress): Promise<LoadedModel>;
  /** One weight as f32 (fp16, bf16, f64 are widened), transferred; the hub keeps only the file's bytes. */
  tensor(handle: number, weight: number): Promise<Float32Array>;
  samples(ref: string, onProgress?: HubProgress): Promise<LoadedSamples>;
  /** Bytes of a file of a model as it lies in the repo (config.json, onnx/model.onnx …). */
  file(handle: number, path: string): Promise<Uint8Array>;
  release(handle: number): void;
  /** What the cache holds. */
  cached(): Promise<{ files: { key: string; bytes: number }[]; usage: number; quota: number; persisted: boolean }>;
  forget(key: string | null): Promise<void>;
}
