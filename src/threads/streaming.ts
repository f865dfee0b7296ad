/**
 * The threads of a merge of folders: one plans, writes and counts (streaming), a few merge tensors (tensor), each on its own. Types only.
 */
import type { Dtype as Stored, FloatDtype } from "../checkpoint/safetensors/dtype.ts";
import type { Lie } from "../checkpoint/lora/fit.ts";
import type { Merged, TensorJob } from "../methods/types.ts";
import type { Survey } from "../methods/survey.ts";
import type { MergePlan } from "../recipe/plan/types.ts";
import type { RowLayout } from "../recipe/plan/vocabulary.ts";
import type { Report } from "../recipe/report.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { LabEvent } from "./events.ts";
import type { HubService, MountedFile } from "./hub.ts";

/** Where a merge of folders is written. */
export type SinkOrder =
  /** The origin's own file system; what is there is handed over as files, and removed by `discard`. */
  | { readonly kind: "opfs" }
  /** A folder the person chose (File System Access), empty or new. */
  | { readonly kind: "directory"; readonly handle: FileSystemDirectoryHandle }
  /** Memory, where neither exists: for small models. */
  | { readonly kind: "memory" };

export interface FolderOrder {
  readonly recipe: Recipe;
  /** Left out: OPFS where it is, else memory. */
  readonly sink?: SinkOrder;
  /** auto: on the GPU where there is a real one. */
  readonly kernels?: "auto" | "webgpu" | "cpu";
  /** Bytes of buffers over all threads; 512 MiB unless told. */
  readonly memoryBytes?: number;
  /** Bytes of tensors in a file; mergekit's 5·10⁹ unless told. */
  readonly shardBytes?: number;
  /** false: somebody else computes digests; those of the report are empty. */
  readonly digests?: boolean;
}

/** What is known before anything large is read. */
export interface FolderPlan {
  readonly run: string;
  readonly method: string;
  readonly tensors: number;
  readonly parameters: number;
  /** Of inputs, each read once. */
  readonly readBytes: number;
  readonly writeBytes: number;
  /** Of files that lie on the Hub. */
  readonly downloadBytes: number;
  /** Buffers at most. */
  readonly memoryBytes: number;
  readonly warnings: MergePlan["warnings"];
}

export interface FolderFile {
  readonly path: string;
  readonly bytes: number;
  /** Empty where the order wanted no digests. */
  readonly sha256: string;
  /** What was written, where the page can read it: not in a folder the person chose. */
  readonly blob: Blob | null;
}

export interface FolderResult {
  readonly report: Report;
  readonly files: readonly FolderFile[];
}

export interface StreamingService {
  /** `workers`: ports to `TensorService`s. */
  open(hub: MessagePort, workers: readonly MessagePort[], onEvent: (event: LabEvent) => void): Promise<void>;
  plan(order: FolderOrder): Promise<FolderPlan>;
  merge(order: FolderOrder): Promise<FolderResult>;
  /** `merge` rejects with code "cancelled"; what was written is gone when this resolves. */
  cancel(): Promise<void>;
  /** Removes what lies in OPFS. */
  discard(): Promise<void>;
}

export type StreamingHub = Pick<HubService, "folder" | "place" | "bytes">;

/** One tensor of an input file. */
export interface PlacedTensor {
  /** In `TensorOrder.places`. */
  readonly place: number;
  /** Of its first byte in the file. */
  readonly offset: number;
  readonly bytes: number;
  readonly dtype: Stored;
  /** Where an adapter is on its model and changes it. */
  readonly adapted?: AdaptedPlace;
}

/** What an adapter makes of a tensor: rounded to the type its model stores, as where the adapter is merged into the model first. */
export interface AdaptedPlace {
  readonly dtype: FloatDtype;
  readonly weight: (Lie & { readonly pair: { readonly rank: number; readonly scale: number }; readonly a: PlacedTensor; readonly b: PlacedTensor; readonly magnitude: PlacedTensor | null }) | null;
  readonly bias: { readonly scale: number; readonly added: PlacedTensor } | null;
}

interface UnitTensorCommon {
  readonly name: string;
  /** Of its first byte in the output file. */
  readonly at: number;
}

export type UnitTensor = UnitTensorCommon &
  (
    | { readonly kind: "merge"; readonly job: TensorJob; readonly dtype: FloatDtype; readonly inputs: readonly PlacedTensor[]; readonly rows: RowLayout | null; readonly width: number }
    | { readonly kind: "copy"; readonly dtype: Stored; readonly compute: TensorJob["dtype"] | null; readonly input: PlacedTensor; readonly alike: readonly PlacedTensor[] }
  );

/** Tensors that lie side by side in one output file. */
export interface Unit {
  /** Of the output. */
  readonly file: number;
  readonly tensors: readonly UnitTensor[];
  /** Input bytes are read once and kept for all passes; else windows of them, anew for each pass. */
  readonly keep: boolean;
}

export interface TensorOrder {
  readonly places: readonly MountedFile[];
  readonly budgetBytes: number;
  readonly kernels: "webgpu" | "cpu";
}

export interface TensorReport extends Merged {
  readonly name: string;
  readonly elements: number;
}

/** Gets bytes of one output file; gives the buffer back when they are written. */
export type Deliver = (file: number, at: number, bytes: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer>;

export interface TensorService {
  connect(port: MessagePort): void;
  open(order: TensorOrder, onRead: (bytes: number) => void): Promise<{ kernels: "cpu" | "webgpu"; adapter: string }>;
  /** One look at the whole model, for what needs one. */
  survey(tensors: readonly Extract<UnitTensor, { kind: "merge" }>[]): Promise<Survey>;
  /** Of a survey made before. */
  heed(survey: Survey): void;
  merge(unit: Unit, deliver: Deliver): Promise<readonly TensorReport[]>;
  /** SHA-256 of a whole file. */
  digest(place: MountedFile): Promise<string>;
}
