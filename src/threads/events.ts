/** What a run tells while it happens: plots, progress bars and the journal are drawn from these alone. All plain JSON. */
import type { Candidate } from "../search/types.ts";

export interface DeviceInfo {
  adapter: string;
  architecture: string;
  kernels: "webgpu" | "cpu";
  runtime: "webgpu" | "wasm";
  isFallback: boolean;
  threads: number;
  browser: string;
  versions: Record<string, string>;
}

/** One evaluation of a run, as in `report.runs[].trace` and, a line each, in `trace.jsonl`. */
export interface TraceRow {
  /** Id of the run (or comparison being tuned). */
  run: string;
  evaluation: number;
  step: number;
  particle: number;
  origin: string;
  /** null when diverged. */
  fitness: number | null;
  /** What the search was told of each task, measured on `optimise`. */
  tasks: Record<string, number>;
  /** Right answers a task, for proportions. */
  counts?: Record<string, number>;
  candidate: Candidate;
  personalBest: boolean;
  globalBest: boolean;
  diverged?: true;
  /** Samples scored before it was clear that it could not become a best. */
  stopped?: number;
}

export interface ModelCard {
  id: string;
  role: "base" | "expert";
  title: string;
  summary: string;
  icon: string;
  /** Reference as in the recipe. */
  model: string;
  parameters: number;
  labels: string[] | null;
}

export interface TaskCard {
  id: string;
  title: string;
  head: string | null;
  labels: string[] | null;
  metric: string;
  optimise: number;
  validate: number;
  test: number;
}

export type Phase = "load" | "compile" | "search" | "compare" | "test" | "done";

/** Plane of two directions a swarm is drawn on: point(candidate) = [⟨x−origin, e₁⟩, ⟨x−origin, e₂⟩] in units of weights' L2 norm. */
export interface Plane {
  /** Columns of the basis. */
  columns: string[];
  /** Coefficient rows: a candidate on the plane at (a, b) is origin + a·e1 + b·e2. */
  origin: number[];
  e1: number[];
  e2: number[];
  /** Names for the axes: "towards digits and kana". */
  axes: [string, string];
  /** Gram matrix over columns, row-major: with it any coefficient row can be projected. */
  gram: number[];
}

export type LabEvent =
  | { type: "phase"; phase: Phase }
  /** Bytes of one file; `state` moves download → verify → cache, or "cached". */
  | { type: "loading"; file: string; state: "download" | "verify" | "cache" | "cached" | "compile" | "warm-up"; loaded: number; total: number }
  | {
      type: "loaded";
      device: DeviceInfo;
      models: ModelCard[];
      tasks: TaskCard[];
      columns: string[];
      space: { segments: number; length: number };
      plane: Plane | null;
      /** Evaluations planned per run. */
      plan: { run: string; method: string; evaluations: number; particles: number; steps: number }[];
    }
  | { type: "proposed"; run: string; evaluation: number; step: number; particle: number; origin: string; candidate: Candidate }
  | { type: "materialised"; run: string; evaluation: number; ms: number }
  /** `replayed`: told from the journal, not scored again. */
  | ({ type: "scored"; replayed?: true } & TraceRow)
  /** Bests after a whole step: sent once a step. */
  | { type: "step"; run: string; step: number; best: { evaluation: number; particle: number; fitness: number } | null; personal: (number | null)[]; median: number | null }
  /** A search ended: its winner is chosen. `ms` since the run began. */
  | { type: "winner"; run: string; evaluation: number; fitness: number; tasks: Record<string, number>; ms: number }
  /** A model that is not of the swarm (base, expert, comparison) has its score on `optimise`: lines of the plot. */
  | { type: "baseline"; id: string; fitness: number; tasks: Record<string, number> }
  /** One model on one task of the test split: bars. */
  | { type: "tested"; id: string; task: string; value: number; n: number; interval: [number, number] | null }
  | { type: "progress"; phase: Phase; done: number; total: number; secondsLeft: number | null }
  /** A merge of folders, in bytes. Those read count again where a method goes over a tensor again; `share` (0…1) does not count them. */
  | { type: "merging"; tensor: string | null; share: number; readBytes: number; writtenBytes: number; totalReadBytes: number; totalWriteBytes: number; secondsLeft: number | null }
  /** `tensors`: how many it is about, where it is about tensors. */
  | { type: "warning"; code: string; message: string; tensors?: number; details?: unknown }
  /** The device or the worker was lost and rebuilt, or another way down was taken. */
  | { type: "recovered"; what: "device" | "worker" | "fallback"; message: string }
  | { type: "paused" }
  | { type: "resumed" }
  | { type: "done" };

export type OnEvent = (event: LabEvent) => void;
