import type { LowRank } from "../checkpoint/lora/factors.ts";

/**
 * A space is the one ordered list of segments that base and experts share.
 * Order: segments sorted by `name` in code-unit order, so ONNX and safetensors forms of one family agree.
 */
export interface Segment {
  /** Position in `Space.segments`: the "tensor index" of the published randomness rule. */
  readonly index: number;
  /** Canonical name: the checkpoint's where known (`names.json`, safetensors), else the graph's input name. */
  readonly name: string;
  /** Shape as the graph takes it (the layout of every buffer and Float32Array of this segment). */
  readonly shape: readonly number[];
  /** True when the checkpoint keeps this matrix transposed: checkpoint shape = reversed `shape`. Rank 2 only. */
  readonly transposed: boolean;
  /** Number of elements; 0 is allowed. */
  readonly length: number;
  /** Elements before this segment in the space (no padding): base of the "element index" of the randomness rule. */
  readonly start: number;
  /** Layer number within the model, or null outside the stack (embeddings, final norm). */
  readonly layer: number | null;
}

export interface Space {
  readonly segments: readonly Segment[];
  /** Elements in all segments. */
  readonly length: number;
}

/** Index of an element in the checkpoint's own layout, given its index in the graph's layout. */
export function checkpointIndex(segment: Pick<Segment, "shape" | "transposed">, element: number): number {
  if (!segment.transposed) return element;
  const [rows, columns] = segment.shape as [number, number];
  return (element % columns) * rows + Math.floor(element / columns);
}

/**
 * How a masked direction keeps elements of its dense direction.
 * dare: keep where u < density (drop rate = 1 − density), u by the published rule; `rescaling` inverse multiplies by 1/density, l1 matches each tensor's L1 norm.
 * magnitude: keep exactly max(1, floor(density·n)) largest |δ| a tensor; equal magnitudes: lower checkpoint index first.
 */
export interface MaskRule {
  readonly method: "dare" | "magnitude";
  /** Share kept, 0 < density <= 1. */
  readonly density: number;
  readonly rescaling: "inverse" | "l1" | "none";
  /** Search seed of the recipe; masks are keyed by (seed, expert, segment name, checkpoint index). */
  readonly seed: number;
  readonly expert: string;
}

/** One direction over the space. Column 0 of every basis is the base (`{ kind: "base" }`), coefficient 1 in affine merges. */
export type DirectionSpec =
  | { readonly kind: "base"; readonly id: "base" }
  /** δ = θ − θ₀ of an expert, or of a data-free merge that a swarm starts from. f16: packed two to a word. */
  | { readonly kind: "dense"; readonly id: string; readonly precision: "f32" | "f16" }
  /** δ of a LoRA adapter, kept as its factors and multiplied out as candidates are written. `ranks`: one a segment, 0 where it leaves it alone. */
  | { readonly kind: "lowrank"; readonly id: string; readonly ranks: readonly number[] }
  /** δ of direction `of` under a mask kept as one bit an element, times a factor a segment. */
  | { readonly kind: "masked"; readonly id: string; readonly of: string; readonly rule: MaskRule };

/**
 * Directions over a space, on the GPU or (twin) in memory. Built once:
 * `put` every segment, then `seal`, then open slots and materialise.
 */
export interface Basis {
  readonly backend: "webgpu" | "cpu";
  readonly space: Space;
  /** Columns of every coefficient row, `[0]` is the base. */
  readonly directions: readonly DirectionSpec[];
  /**
   * Stores one segment: base and one array of whole weights a dense direction, in their order, each `segment.length` long, graph layout.
   * Task vectors are formed here. Arrays may be reused by the caller afterwards.
   */
  put(segment: number, base: Float32Array, experts: readonly Float32Array[]): void;
  /** Stores what a low-rank direction adds to one segment of those it has a rank for: a matrix in the graph's layout, first dimension × all others. */
  putFactors(segment: number, id: string, factors: LowRank): void;
  /** Makes masks and their factors. Counts of stored numbers that are not finite come back: of the base, then of each direction that is no mask, in the order of columns. */
  seal(): Promise<{ nonFinite: number[] }>;
  /** One set of per-segment storage that candidates are written into. */
  openSlot(bind: "gpu" | "cpu"): Slot;
  /** Gram matrix ⟨direction_i, direction_j⟩ over all columns, f64, row-major [columns × columns], fixed order of summation. */
  gram(): Promise<Float64Array>;
  /** What can be said of the first `vectors` directions that are no masks before anything is merged, a segment at a time. */
  statistics(vectors: number): Promise<VectorStatistics>;
  /** Bytes of GPU buffers alive that this basis created (0 on cpu). */
  readonly gpuBytes: number;
  destroy(): void;
}

/** Of n task vectors as they are stored (packed to f16, the smallest may have become 0). */
export interface VectorStatistics {
  /** ⟨δᵢ, δⱼ⟩, `[segments × n × n]`. */
  readonly dots: Float64Array;
  /** Elements that are exactly 0, `[segments × n]`. */
  readonly zeros: Float64Array;
  /** Elements at which one vector is positive and another negative, `[segments]`. */
  readonly conflicts: Float64Array;
}

export interface Slot {
  readonly bind: "gpu" | "cpu";
  /**
   * Writes Σ_d c[d]·direction_d. `coefficients`: one row `[columns]`, or one row a segment `[segments × columns]`, row-major.
   * A coefficient of exactly 0 leaves its direction out (so a NaN there does no harm).
   * Resolves when the weights can be scored; `nonFinite` says that some written weight is not a finite number.
   */
  materialise(coefficients: Float64Array): Promise<{ nonFinite: boolean }>;
  /**
   * Begins to write a candidate that is likely next, while what the slot holds is still being scored: a later `materialise`
   * of the same coefficients finds it there. A hint: it may be ignored, and never changes what the slot holds.
   */
  ahead?(coefficients: Float64Array): void;
  /** Writes given weights (one array a segment), e.g. rounded ones. */
  write(weights: readonly Float32Array[]): Promise<{ nonFinite: boolean }>;
  /** Bound to the runtime when `bind` is "gpu": one GPUBuffer a segment (STORAGE), exactly 4·length bytes (at least 4). */
  readonly buffers: readonly GPUBuffer[];
  /** Bound to the runtime when `bind` is "cpu": one array a segment; to be read anew after each materialise. */
  readonly arrays: readonly Float32Array[];
  /** A copy of what the slot holds now, one array a segment (reads back from the GPU). */
  read(): Promise<Float32Array[]>;
  destroy(): void;
}

/** Particles as weights: x, v and personal best each, updated element by element. Same rules as the subspace swarm. */
export interface ResidentSwarm {
  readonly backend: "webgpu" | "cpu";
  readonly particles: number;
  /** x of each particle from coefficients over `basis` (one row each), v = 0, personal best = x. */
  start(rows: readonly Float64Array[]): Promise<void>;
  /** pbest ← x for one particle. */
  keep(particle: number): void;
  /** One synchronous move of all particles on the bests as they stand; `globalBest` is the particle whose pbest leads. */
  move(step: number, globalBest: number, rule: MoveRule): Promise<void>;
  /** Copies x (or pbest) of a particle into a slot. */
  show(particle: number, what: "x" | "pbest", slot: Slot): Promise<{ nonFinite: boolean }>;
  readonly gpuBytes: number;
  destroy(): void;
}

/** v ← w·v + c₁r₁(pbest − x) + c₂r₂(gbest − x); x ← x + v (PSO-Merging, arXiv 2508.19839). */
export interface MoveRule {
  readonly inertia: number;
  readonly cognitive: number;
  readonly social: number;
  /**
   * Where r₁ (draw 0) and r₂ (draw 1) are drawn anew: word 0 of Philox(key = search seed, counter = (step, particle, draw, index)),
   * index = 0 | segment.index | segment.start + checkpoint element index; u = (word >>> 8)·2⁻²⁴.
   */
  readonly random: "scalar" | "tensor" | "element";
  readonly seed: number;
}
