/** The lab: two workers, a watchdog over them, and runs that survive their loss. */
import { ThreadedLab } from "./lab/threaded.ts";
import type { Report } from "./recipe/report.ts";
import type { MergeOrder } from "./recipe/merge.ts";
import type { Recipe, RecipeInput } from "./recipe/schema.ts";
import type { Candidate } from "./search/types.ts";
import type { DeviceInfo, OnEvent, Plane } from "./threads/events.ts";
import type { CachedFile, DatasetSource, MountedFile, Preflight, PreflightOrder, Pushed, PushProgress, PushTo, RowsPreview, ZooFamily } from "./threads/hub.ts";
import type { FolderOrder, FolderPlan, FolderResult } from "./threads/streaming.ts";
import type { Answer, ExportedFile, Journal, Prepared, Remerged, Statistics, Which } from "./threads/merge.ts";

export interface LabOptions {
  /** Where `zoo/` lies; relative to the page. Default "./". */
  assets?: string | URL;
  /** Prefix of everything kept in this browser; two labs with different prefixes share nothing. Default "murmuration". */
  storage?: string;
  /** Address of the Hub or a mirror. Default https://huggingface.co. */
  hub?: string;
  /** Address of its dataset viewer. Default: `datasets-server.` before the Hub's host. */
  viewer?: string;
  backend?: "auto" | "webgpu" | "wasm";
  kernels?: "auto" | "webgpu" | "cpu";
  precision?: "f32" | "f16";
  threads?: number;
  mounts?: Record<string, MountedFile[]>;
  /** No answer from the merge thread for this long: it is restarted from the last evaluation. Default 30,000. */
  watchdogMs?: number;
}

export interface RunOptions {
  signal?: AbortSignal;
  onEvent?: OnEvent;
  /** Rows scored before (trace.jsonl, a reload): the run goes on after them. */
  journal?: Journal;
  /** "verify": the search is told the journal's scores, and every candidate is scored here too and compared. */
  mode?: "run" | "verify";
  /** Begin paused. */
  paused?: boolean;
  /** Test only these models (ids of base, experts, comparisons, runs); all when left out. */
  only?: readonly string[];
}

export interface FolderOptions extends Omit<FolderOrder, "recipe"> {
  onEvent?: OnEvent;
  /** `mergeFolders` rejects with code "cancelled", and nothing it wrote stays behind. */
  signal?: AbortSignal;
}

export interface RunHandle {
  readonly done: Promise<Report>;
  pause(): void;
  resume(): void;
  step(by?: "phase" | "particle" | "iteration"): void;
  /** Ends the search early; the best so far wins. */
  stop(): void;
  /** Gives up; `done` rejects with code "cancelled". */
  cancel(): void;
}

export interface Lab {
  families(): Promise<ZooFamily[]>;
  /** Starts the threads and says what runs where; done by the first run otherwise. */
  open(onEvent?: OnEvent): Promise<DeviceInfo>;
  /** Loads a recipe's models and samples without running it. `signal` stops downloads. */
  prepare(recipe: RecipeInput | Recipe, options?: { onEvent?: OnEvent; signal?: AbortSignal }): Promise<Prepared>;
  start(recipe: RecipeInput | Recipe, options?: RunOptions): RunHandle;
  /** `start(recipe, options).done` */
  run(recipe: RecipeInput | Recipe, options?: RunOptions): Promise<Report>;
  /** A recipe without tasks: what merging its folders of safetensors would read, write and hold, from headers alone. */
  planFolders(recipe: RecipeInput | Recipe, options?: FolderOptions): Promise<FolderPlan>;
  /** Merges them, tensor by tensor, into `sink`. Queued like runs. */
  mergeFolders(recipe: RecipeInput | Recipe, options?: FolderOptions): Promise<FolderResult>;
  /** Removes the files of the last merge from the origin's own file system, where they stay until the next one. */
  discardFolders(): Promise<void>;
  /** Makes files known as a model: `./mine` in a recipe. */
  mount(reference: string, files: MountedFile[]): Promise<void>;
  predict(image: Uint8Array, models: Which[], task?: string | null): Promise<Answer[]>;
  /** One text, read or written on by each model; a pair where a classifier reads two. */
  ask(question: { prompt: string; pair?: string }, models: Which[], task?: string | null): Promise<Answer[]>;
  probe(candidate: Candidate, count: number): Promise<{ fitness: number | null; tasks: Record<string, number> }>;
  /** Merges what is loaded by any data-free method and scores nothing: for a slider that is being dragged. */
  remerge(merge: MergeOrder): Promise<Remerged>;
  /** The formula of such a merge, its numbers filled in. */
  formula(merge: MergeOrder): Promise<string>;
  /** What can be said of the loaded experts before they are merged, by layer and by tensor. */
  statistics(): Promise<Statistics>;
  plane(axes?: [string, string] | null): Promise<Plane | null>;
  export(id: string, safetensors?: boolean): Promise<ExportedFile[]>;
  predictions(): Promise<string>;
  counts(): Promise<{ buffers: number; gpuBytes: number; gpuBytesPeak: number; inFlightPeak: number }>;
  /** Can these models be merged, what will it cost, what licence do they carry? Reads headers only, downloads nothing large. */
  preflight(order: PreflightOrder): Promise<Preflight>;
  /** The first rows (20 unless told) of a file, bundled set or Hub dataset of texts, to see its columns before a task is written. */
  preview(source: string | DatasetSource, rows?: number): Promise<RowsPreview>;
  /** For gated and private repositories: kept in memory, sent to the Hub and its viewer only. null: none. */
  setToken(token: string | null): Promise<void>;
  /** Another Hub, mirror or viewer from now on; null: the Hub itself, its own viewer. A token that was set stays behind. */
  setHub(hub: string | null, viewer?: string | null): Promise<void>;
  /** Gives up what is being downloaded now; what came so far is kept, and the next load goes on from there. */
  stopDownloads(): Promise<void>;
  /** Puts files (of `export`, say) into a repository of the Hub, in one commit; the repository is made where it is not there yet. */
  push(files: readonly Pick<ExportedFile, "path" | "bytes">[], to: PushTo, onProgress?: PushProgress): Promise<Pushed>;
  cache: {
    list(): Promise<{ files: { key: string; bytes: number }[]; usage: number; quota: number; persisted: boolean }>;
    forget(key: string | null): Promise<void>;
    /** Models' files by name, cut downloads among them. */
    files(): Promise<CachedFile[]>;
    /** By `CachedFile.id`; false: another tab is downloading it just now. */
    delete(id: string): Promise<boolean>;
    clear(): Promise<void>;
    /** Bytes of all of this site's storage. */
    estimate(): Promise<{ usage: number; quota: number; persisted: boolean }>;
    /** Asks the browser not to evict it; false: it may. */
    persist(): Promise<boolean>;
  };
  close(): Promise<void>;
}

/** A lab of its own threads, cache prefix and assets; several may live on one page. Nothing starts before it is asked. */
export function createLab(options: LabOptions = {}): Lab {
  return new ThreadedLab(options);
}
