/** A plan: what each output tensor is made of, all numbers settled, nothing loaded. It can be posted between threads. */
import type { Dtype as Stored, FloatDtype } from "../../checkpoint/safetensors/dtype.ts";
import type { Dtype, TensorJob } from "../../methods/types.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { RowLayout } from "./vocabulary.ts";

/** A tensor as its header tells; `file` is for messages. */
export interface HeaderTensor {
  readonly name: string;
  readonly dtype: Stored;
  readonly shape: readonly number[];
  readonly file?: string;
}

/** What is read of a model before anything is merged. */
export interface ModelHeader {
  /** base, or an expert's id. */
  readonly id: string;
  readonly tensors: readonly HeaderTensor[];
  /** Parsed `config.json`; null where there is none. */
  readonly config: Readonly<Record<string, unknown>> | null;
  /** Only looked at where the recipe asks for a vocabulary. */
  readonly tokenizer?: Tokenizer | null;
}

/** One tensor of one model. */
export interface PlannedInput {
  /** Place among `MergePlan.models`. */
  readonly model: number;
  readonly tensor: string;
  readonly dtype: Stored;
  readonly shape: readonly number[];
}

interface Planned {
  readonly name: string;
  readonly shape: readonly number[];
  /** As it is written. */
  readonly dtype: Stored;
  readonly elements: number;
}

/** `job.inputs[i]` is read from `inputs[i]`; `job.dtype` is what it computes in. */
export interface MergedTensor extends Planned {
  readonly kind: "merge";
  readonly dtype: FloatDtype;
  readonly job: TensorJob;
  readonly inputs: readonly PlannedInput[];
  /** Rows are tokens and are laid out anew: `gatherRows` (src/streaming/rows.ts) reads them so. */
  readonly rows: RowLayout | null;
}

/** Carried over as it is: bytes where the types are the same, else rounded to `compute` and then to `dtype`. */
export interface CopiedTensor extends Planned {
  readonly kind: "copy";
  readonly input: PlannedInput;
  /** Null for what is no floating-point tensor. */
  readonly compute: Dtype | null;
  /** The same tensor of other models; mergekit refuses where they differ. Empty for floating-point tensors. */
  readonly alike: readonly PlannedInput[];
}

export type PlannedTensor = MergedTensor | CopiedTensor;

export interface PlanWarning {
  readonly code: "left-out" | "float64-as-float32" | "carried" | "tied";
  readonly message: string;
}

export interface MergePlan {
  /** Ids of the models that are read, in the order `PlannedInput.model` counts. */
  readonly models: readonly string[];
  readonly tensors: readonly PlannedTensor[];
  /** Elements of all output tensors. */
  readonly parameters: number;
  /** Bytes of all inputs, each read once; what a method reads twice counts once. */
  readonly readBytes: number;
  readonly writeBytes: number;
  /** Whose `config.json`, tokenizer and generation config the result has. */
  readonly donor: string;
  /** The result's `config.json`. */
  readonly config: Readonly<Record<string, unknown>> | null;
  /** Tokenizer of the result where the vocabulary is laid out anew; null: the donor's files are copied. */
  readonly tokenizer: Tokenizer | null;
  /** Whose tokenizer files it starts from: an id, or the reference that tokenizer_source gives. */
  readonly tokenizerFrom: string;
  readonly warnings: readonly PlanWarning[];
}
