/** The merge thread: one GPU device, the space, the kernels, the runtime's sessions and the search. Types only. */
import type { Recipe } from "../recipe/schema.ts";
import type { MergeOrder } from "../recipe/merge.ts";
import type { Report } from "../recipe/report.ts";
import type { Candidate } from "../search/types.ts";
import type { DeviceInfo, LabEvent, ModelCard, Plane, TaskCard, TraceRow } from "./events.ts";

export interface EngineOptions {
  /** "auto": a real adapter scores on webgpu, a fallback adapter or none on wasm. */
  backend: "auto" | "webgpu" | "wasm";
  /** Kernels on the CPU twins even where a GPU is (tests, comparison). */
  kernels?: "auto" | "webgpu" | "cpu";
  precision?: "f32" | "f16";
  threads?: number;
  /** Already fell back to wasm because the GPU was lost twice. */
  lostTwice?: boolean;
}

/** What was scored before a reload, a crash or on someone else's machine: the search is told these and goes on from there. */
export interface Journal {
  rows: readonly Pick<TraceRow, "run" | "evaluation" | "fitness" | "tasks" | "counts" | "diverged">[];
}

export interface RunOrder {
  journal: Journal | null;
  /** "verify": the search is told the journal's scores, and every candidate is scored here too and compared. */
  mode: "run" | "verify";
  paused: boolean;
  /** Ids whose test scores are wanted; null: all. */
  only: readonly string[] | null;
}

/** Answer of one model on one input. */
export interface Answer {
  id: string;
  task: string;
  label: string;
  /** Of the label; NaN for what is written. */
  probability: number;
  /** The three likeliest labels; none for what is written, or for a number. */
  top: { label: string; probability: number }[];
  /** What was written. */
  text?: string;
}

export interface ExportedFile {
  path: string;
  bytes: Uint8Array;
  sha256: string;
}

/** Which weights: a scored model by id (base, expert, run, comparison) or any coefficients. */
export type Which = { id: string } | { candidate: Candidate };

/** A data-free merge that was made, measured and dropped. m = merged − base. */
export interface Remerged {
  /** What was merged, with its numbers filled in. */
  formula: string;
  /** ‖m‖₂ */
  norm: number;
  /** ⟨m, column⟩ by id: the base's weights, each expert's task vector. With a plane's Gram matrix it says where the merge lies. */
  inner: Record<string, number>;
  warnings: { code: string; message: string; tensors?: number }[];
  ms: number;
}

/** Of one layer, module outside the layers, or tensor. δ: an expert's task vector. */
export interface LayerStatistics {
  layer: number | null;
  name: string;
  elements: number;
  /** ‖δ‖₂ by expert. */
  norm: Record<string, number>;
  /** Between two experts' δ; null where one is zero. */
  cosine: Record<string, Record<string, number | null>>;
  /** Share of elements at which one expert goes up and another down. */
  signConflicts: number;
  /** Share of elements of δ that are exactly 0. */
  zeros: Record<string, number>;
}

export interface Statistics {
  experts: string[];
  /** Over the whole model. */
  cosine: LayerStatistics["cosine"];
  layers: LayerStatistics[];
  tensors: LayerStatistics[];
}

export interface MergeService {
  /** Sends events to the page from now on (a comlink proxy). */
  open(options: EngineOptions, hub: MessagePort, onEvent: (event: LabEvent) => void): Promise<DeviceInfo>;
  /** Loads models and samples, builds the space and the basis. Must come first. */
  prepare(recipe: Recipe): Promise<Prepared>;
  /** Runs what `prepare` was given. Rejects with code "cancelled" after `cancel()`. */
  run(order: RunOrder): Promise<Report>;
  pause(): void;
  resume(): void;
  /** Goes on by one particle, one step of the swarm or one phase of an evaluation, then pauses again. */
  step(by: "phase" | "particle" | "iteration"): void;
  /** Ends searches early: the best so far wins, then tests are scored. */
  stop(): void;
  /** Gives up: `run` rejects. */
  cancel(): void;
  /** One input of `height × width` grey values 0..255 through heads of the given tasks, for each model. Served between evaluations. */
  predict(image: Uint8Array, models: Which[], task: string | null): Promise<Answer[]>;
  /** One text through the heads of the given tasks, or written on, for each model. Served between evaluations. */
  ask(question: { prompt: string; pair?: string }, models: Which[], task: string | null): Promise<Answer[]>;
  /** Fitness and task scores of any candidate on `count` samples of `optimise` a task (fewer: faster). */
  probe(candidate: Candidate, count: number): Promise<{ fitness: number | null; tasks: Record<string, number> }>;
  /** Merges the loaded family by any method and scores nothing: for a slider that is being dragged. Served at once, also while a run goes on. */
  remerge(merge: MergeOrder): Promise<Remerged>;
  /** The formula of a merge of the loaded family, its numbers filled in. */
  formula(merge: MergeOrder): Promise<string>;
  /** What can be said of the experts before they are merged. */
  statistics(): Promise<Statistics>;
  plane(axes: [string, string] | null): Promise<Plane | null>;
  /** The merged model, laid out as its source, plus report, predictions, card. */
  /** `safetensors`: `model.safetensors` beside the ONNX files, for transformers in Python; the base must have one, or names.json. */
  export(id: string, safetensors?: boolean): Promise<ExportedFile[]>;
  predictions(): Promise<string>;
  /** Alive things, for leak tests: GPU buffers created and not destroyed, bytes, peak. */
  counts(): Promise<{ buffers: number; gpuBytes: number; gpuBytesPeak: number; inFlightPeak: number }>;
  /** Resolves when nothing runs any more. */
  idle(): Promise<void>;
  /** Still alive? Answered between batches. */
  ping(): Promise<number>;
  close(): Promise<void>;
}

export interface Prepared {
  device: DeviceInfo;
  models: ModelCard[];
  tasks: TaskCard[];
  columns: string[];
  plane: Plane | null;
  modelBytes: number;
  downloadBytes: number;
  /** Evaluations planned a run. */
  plan: { run: string; method: string; evaluations: number; particles: number; steps: number }[];
}
