import type { Space } from "../space/types.ts";
import type { Role } from "./onnx/parts.ts";

/** A file of a model: bytes by a URL of the site, a Hub or a dropped file. Paths are relative to the model's folder. */
export interface ModelFile {
  readonly path: string;
  readonly bytes?: number;
  readonly sha256?: string;
}

/** What `config.json` tells that merging needs. */
export interface ModelConfig {
  readonly modelType: string | null;
  readonly labels: readonly string[] | null;
  /** The whole file, parsed. */
  readonly raw: Record<string, unknown>;
}

/** How an image becomes `pixel_values`, from `preprocessor_config.json`: (v·rescale − mean) / std, a channel at a time. */
export interface ImagePreprocessor {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly rescale: number;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** One floating weight of an ONNX file: an initializer, or a Constant node at any depth. */
export interface OnnxWeight {
  readonly id: number;
  /** The exporter's name; for messages and `names.json` only, never for aligning. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: "float32" | "float16" | "bfloat16" | "float64";
  readonly length: number;
}

/** An ONNX model with its weights' bytes taken out: kilobytes, can be posted between threads. */
export interface OnnxSkeleton {
  /** Serialised ModelProto whose floating weights keep their TensorProto (name, dims, type) without data. */
  readonly bytes: Uint8Array;
  readonly weights: readonly OnnxWeight[];
  /** Parts that were joined in it (`onnx/parts.ts`); "model" alone for most. */
  readonly roles: readonly Role[];
}

/** One graph of a lifted model, to be loaded into the runtime. Its inputs are what the caller feeds and the weights it needs. */
export interface LiftedGraph {
  readonly role: Role;
  readonly bytes: Uint8Array;
  /** What the caller feeds and reads (weights left out). */
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
  /** Names of its inputs that are weights. */
  readonly weights: readonly string[];
}

export interface GraphPort {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

export interface AlignInput {
  readonly id: string;
  readonly skeleton: OnnxSkeleton;
  readonly config: ModelConfig | null;
}

/** A tensor not shared by all models (a task head): kept per model, never merged. */
export interface Head {
  /** Input name of the lifted graph. */
  readonly input: string;
  readonly name: string;
  /** Per model id: weight id in that model's skeleton, and its shape. */
  readonly of: Readonly<Record<string, { readonly weight: number; readonly shape: readonly number[] }>>;
  readonly why: "shape" | "labels";
  /** As the base stores it. */
  readonly dtype: OnnxWeight["dtype"];
}

export interface Alignment {
  readonly space: Space;
  /** Per segment: the lifted graph's input names it feeds (one or several), and the weight id in each model. */
  readonly segments: readonly {
    readonly inputs: readonly string[];
    readonly weight: Readonly<Record<string, number>>;
    /** As the base stores it. */
    readonly dtype: OnnxWeight["dtype"];
  }[];
  readonly heads: readonly Head[];
  /** The lifted graph of the first model (the base): floating weights are inputs now. Load once into the runtime. */
  readonly graph: Uint8Array;
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
  /** The same a part: one, or an encoder and a decoder. */
  readonly graphs: readonly LiftedGraph[];
}

/** Map shipped by a family from graph names (of the base file) to checkpoint names. */
export interface NamesMap {
  readonly names: 1;
  readonly tensors: Readonly<Record<string, { readonly name: string; readonly transposed: boolean; readonly shape: readonly number[] }>>;
}
