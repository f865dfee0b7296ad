/** Where formulas run: WebAssembly on the CPU, or kernels on the GPU. Both give a tensor the same passes. */
import type { Float, Formula, Truth } from "./expression.ts";
import type { Guess, Tally } from "./sparsify/cuts.ts";
import type { Half, Target } from "./sparsify/select.ts";
import type { TensorSource, TensorWriter } from "./types.ts";

export interface Executor {
  readonly backend: "cpu" | "webgpu";
  /** One tensor after the other: resolves when it is this one's turn. `close` it. */
  open(geometry: Geometry, source: TensorSource, options: { readonly chunkElements?: number; readonly signal?: AbortSignal }): Promise<Passes>;
  destroy(): void;
}

export interface Geometry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly inputs: number;
}

export interface Totals {
  readonly sums: readonly number[];
  readonly counts: readonly number[];
}

/** Along which vectors run: rows along the last dimension, columns along the first. */
export type Along = "rows" | "columns";

/** For the first `wanted` elements with these bits, from element `from` on. */
export interface Search {
  readonly of: Float;
  readonly bits: number;
  readonly from: number;
  readonly wanted: number;
}

/** What a method may ask of one tensor; each call reads the inputs once, in chunks, and gives the same bits whatever the chunk. */
export interface Passes {
  readonly length: number;
  /** f64, each in four lanes (index modulo 4) from first to last. */
  totals(sums: readonly Float[], counts?: readonly Truth[]): Promise<Totals>;
  /** A sum for every row or column, in the order of rows or columns. */
  sumsAlong(along: Along, sums: readonly Float[]): Promise<readonly Float64Array[]>;
  /** Adds one half of every key to the histograms of its selection. */
  tally(selections: readonly Tally[], half: Half): Promise<void>;
  /**
   * The same in one go, where that is worth it: a sample says between which keys each cut must lie, and only those are counted one by one. Null
   * for a selection that must be counted after all. Of expressions that are never negative.
   */
  guessed?(selections: readonly Guess[]): Promise<readonly (readonly Target[] | null)[]>;
  /** Of each search the index behind the last element that it wants. */
  places(searches: readonly Search[]): Promise<readonly number[]>;
  /** KL divergence a row between softmax(p) and softmax(q). `round`: what each step of it is rounded to. */
  divergence(p: Float, q: Float, round: (value: number) => number): Promise<Float32Array>;
  /** Writes `formula.store`, in order, and gives the totals of the same pass. */
  write(formula: Formula & { readonly store: Float }, write: TensorWriter): Promise<Totals>;
  close(): void;
}
