/** Adapters of a merge of folders (`./model+./adapter`): which tensors they change, and where the numbers for it lie. */
import { type AdaptedCheckpoint, type CheckpointReader, withAdapter } from "../checkpoint/lora/adapted.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, openAdapter } from "../checkpoint/lora/adapter.ts";
import { type FloatDtype, isFloatDtype, shapeText } from "../checkpoint/safetensors/dtype.ts";
import type { StoredTensor } from "../checkpoint/safetensors/header.ts";
import { LabError } from "../lib/error.ts";
import type { HeaderTensor } from "../recipe/plan/types.ts";
import type { AdaptedPlace, PlacedTensor } from "../threads/streaming.ts";
import { type ModelFolder, type OpenOptions, sourcesOf } from "./folder.ts";

/** Files of an adapter that a recipe's digests are about. */
export const OF_ADAPTER: readonly string[] = [ADAPTER_CONFIG, ADAPTER_WEIGHTS];

export class StreamedAdapter {
  readonly folder: ModelFolder;
  /** Of the model with the adapter on it: types are the model's, as where PEFT merges it first. */
  readonly tensors: readonly HeaderTensor[];
  readonly #adapted: AdaptedCheckpoint;
  readonly #dtypes: ReadonlyMap<string, FloatDtype>;

  constructor(folder: ModelFolder, adapted: AdaptedCheckpoint, checkpoint: CheckpointReader) {
    this.folder = folder;
    this.#adapted = adapted;
    this.tensors = adapted.tensors.map((tensor) => ({ ...tensor, dtype: checkpoint.get(tensor.name)?.dtype ?? tensor.dtype }));
    this.#dtypes = new Map(this.tensors.flatMap(({ name, dtype }) => (isFloatDtype(dtype) ? [[name, dtype]] : [])));
  }

  /** What stands in place of the model's own tensor, in the adapter's file. */
  replaced(name: string): StoredTensor | null {
    return this.#adapted.changes(name)?.whole ?? null;
  }

  /** Its tensors that are read for one of the model's. */
  read(name: string): StoredTensor[] {
    const { whole = null, weight = null, bias = null } = this.#adapted.changes(name) ?? {};
    return [whole, weight?.pair.a, weight?.pair.b, weight?.pair.magnitude, bias?.bias].filter((tensor) => tensor != null);
  }

  /** `find`: where a tensor of the adapter lies. */
  place(name: string, find: (tensor: StoredTensor) => PlacedTensor): AdaptedPlace | null {
    const changes = this.#adapted.changes(name);
    const dtype = this.#dtypes.get(name);
    if (!changes || !dtype) return null;
    const { weight, bias } = changes;
    const pair = weight && { rank: weight.pair.rank, scale: weight.pair.scale };
    return {
      dtype,
      weight: weight && pair && {
        rows: weight.rows, columns: weight.columns, turned: weight.turned, pair,
        a: find(weight.pair.a), b: find(weight.pair.b), magnitude: weight.pair.magnitude && find(weight.pair.magnitude),
      },
      bias: bias?.bias ? { scale: bias.scale, added: find(bias.bias) } : null,
    };
  }
}

/** `base`: for messages. Throws where the adapter is for another base. */
export async function openAdapted(checkpoint: CheckpointReader, folder: ModelFolder, { base, options }: { base: string; options: OpenOptions }): Promise<StreamedAdapter> {
  const { reference } = folder;
  const files = sourcesOf(folder, options);
  if (!folder.has(ADAPTER_CONFIG) && !files.some(({ path }) => /adapter_model\./.test(path))) {
    throw new LabError("not-found", `${reference} is no LoRA adapter: it has no ${ADAPTER_CONFIG} and no ${ADAPTER_WEIGHTS}. What stands behind the + is laid onto the model before it.`, { details: { reference } });
  }
  const adapted = withAdapter(checkpoint, await openAdapter(files, { name: reference }), { base });
  for (const { name, shape } of adapted.tensors) {
    const own = checkpoint.get(name);
    if (!own || shapeText(own.shape) === shapeText(shape)) continue;
    throw new LabError("shape-mismatch", `${reference} brings ${name} whole, as ${shapeText(shape)}, but it is ${shapeText(own.shape)} in ${base}: its base had another vocabulary or head. Take that base, or merge the adapter with PEFT first.`, {
      details: { adapter: reference, base, tensor: name },
    });
  }
  return new StreamedAdapter(folder, adapted, checkpoint);
}
