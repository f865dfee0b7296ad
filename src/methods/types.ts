/**
 * The contract between a plan of a merge and the methods: one output tensor is a job with all numbers settled, its inputs are
 * read by ranges, its values are written in order. Nothing here knows where tensors lie.
 */
import type { Executor } from "./executor.ts";
import type { Survey } from "./survey.ts";

/** What the arithmetic of a merge rounds to after every step: mergekit's `dtype`. bfloat16 and float16 repeat its roundings. */
export type Dtype = "float32" | "float16" | "bfloat16";

export type Scalar = number | boolean | string;

/** One output tensor to be merged, all numbers settled, nothing loaded. */
export interface TensorJob {
  /** Name in the table. */
  readonly method: string;
  /** Canonical name in the checkpoint: masks are keyed by (seed, expert id, this name, element index in checkpoint layout), see src/lib/rules.ts. */
  readonly name: string;
  /** Checkpoint's own layout. */
  readonly shape: readonly number[];
  readonly seed: number;
  /** Position in `inputs` of the base, or null where the method runs without. */
  readonly base: number | null;
  /** In the recipe's order; `id` keys masks; per-model parameters by mergekit's names (weight, density, gamma, epsilon …). */
  readonly inputs: readonly JobInput[];
  /** Whole-method parameters: normalize, lambda, rescale, rescaling, scope, t, select_topk … What is left out has its default. */
  readonly parameters: Readonly<Record<string, Scalar>>;
  /** Unless given float32. Inputs are rounded to it first. */
  readonly dtype?: Dtype;
  /** Layer number within the model, null or left out outside the stack: rankmean ranks layers. */
  readonly layer?: number | null;
}

export interface JobInput {
  readonly id: string;
  readonly parameters: Readonly<Record<string, number | boolean>>;
}

/**
 * Reads elements from..to (checkpoint layout, flattened) of one input, as f32; may be called several times for the same range (passes).
 * `into` (to − from long) may be filled and returned, which spares a copy; any other array of that length will do.
 */
export interface TensorSource {
  read(input: number, from: number, to: number, into?: Float32Array<ArrayBuffer>): Promise<Float32Array>;
}

/** Gets consecutive chunks in order; `values` is valid until the promise resolves. */
export type TensorWriter = (from: number, values: Float32Array) => Promise<void> | void;

export interface MergeOptions {
  readonly executor: Executor;
  /** Elements of each input in memory at once where a tensor is too large to be kept whole; rounded up to whole rows where a method works by rows. */
  readonly chunkElements?: number;
  readonly signal?: AbortSignal;
  /** What `surveyModel` learnt of the whole model: for `scope: model` and rankmean, see `needsSurvey`. */
  readonly survey?: Survey;
}

export interface Merged {
  readonly warnings: readonly MethodWarning[];
  /** ‖output‖₂: for whoever compares tensors of one model. */
  readonly norm: number;
}

export type WarningCode =
  | "slerp-fell-back-to-lerp"
  | "sce-uniform-weights"
  | "breadcrumbs-kept-nothing"
  | "ties-consensus-erased-all"
  | "expert-equals-base"
  | "experts-identical"
  | "non-finite-weights";

export interface MethodWarning {
  readonly code: WarningCode;
  readonly message: string;
  readonly tensor: string;
}
