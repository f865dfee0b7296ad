/** One model looked at from afar: its facts, configuration, and the names and shapes of its tensors, from headers and graphs without weights. */
import { listTensors } from "../../checkpoint/onnx/weights.ts";
import { outlineOf } from "../../checkpoint/onnx/outline.ts";
import { externalPaths, parseModel } from "../../checkpoint/onnx/read.ts";
import { floatTypeOf, shapeOf } from "../../checkpoint/onnx/tensor.ts";
import { isFloatDtype } from "../../checkpoint/safetensors/dtype.ts";
import { readHeader } from "../../checkpoint/safetensors/header.ts";
import type { ByteSource } from "../../checkpoint/safetensors/source.ts";
import type { ModelConfig } from "../../checkpoint/types.ts";
import { parseConfig } from "../config.ts";
import { LabError } from "../../lib/error.ts";
import { beside } from "../paths.ts";
import { nothingToTake, pick, type Picked, type PickedGraph } from "../pick.ts";

export interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
}

/** Where a look gets its bytes. */
export interface Seen {
  readonly reference: string;
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  /** A small file, whole. */
  read(path: string): Promise<Uint8Array<ArrayBuffer>>;
  /** null: it cannot be read in parts here. */
  bytes(path: string): Promise<ByteSource | null>;
}

export interface Look {
  readonly picked: Picked;
  readonly config: ModelConfig | null;
  /** Of `adapter_config.json`. */
  readonly adapter: Record<string, unknown> | null;
  /** Floating tensors of the safetensors (or adapter) file; null: there is none. */
  readonly named: readonly Tensor[] | null;
  /** Of each graph, in the order picked. */
  readonly graphs: readonly GraphLook[];
}

export interface GraphLook {
  readonly path: string;
  /** Floating weights; null where a look could not find its way through the file. */
  readonly tensors: readonly Tensor[] | null;
  /** Files beside it that hold its weights: as it says itself, or by the names that are usual. */
  readonly external: readonly string[];
}

/** Larger ones have their weights inside and are read by ranges, past the weights. */
const GRAPH_BYTES_MAX = 2_000_000;
/** First reads of all shards together; a header that is longer is read on. */
const FIRST_BYTES_ALL = 196_608;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export async function look(seen: Seen): Promise<Look> {
  const paths = seen.files.map(({ path }) => path);
  const picked = pick(paths);
  if (picked.graphs.length === 0 && !picked.safetensors && !picked.adapter) throw nothingToTake(seen.reference, picked, paths);
  const parts = picked.safetensors?.files ?? (picked.adapter ? [picked.adapter.weights] : []);
  const [config, adapter, headers, graphs] = await Promise.all([
    paths.includes("config.json") ? seen.read("config.json").then((bytes) => parseConfig(text(bytes), `${seen.reference}/config.json`)) : null,
    picked.adapter ? seen.read(picked.adapter.config).then((bytes) => parseConfig(text(bytes), `${seen.reference}/adapter_config.json`).raw) : null,
    Promise.all(parts.map((path) => headerOf(seen, path, parts.length))),
    Promise.all(picked.graphs.map((graph) => graphOf(seen, graph))),
  ]);
  const known = headers.every((header) => header !== null);
  return { picked, config, adapter, named: parts.length > 0 && known ? headers.flat() : null, graphs };
}

async function headerOf(seen: Seen, path: string, parts: number): Promise<Tensor[] | null> {
  const source = await seen.bytes(path);
  if (!source) return null;
  const each = Math.max(4096, Math.min(65_536, Math.floor(FIRST_BYTES_ALL / parts)));
  const { tensors } = await readHeader({ path: `${seen.reference}/${path}`, source }, undefined, each);
  return tensors.filter(({ dtype }) => isFloatDtype(dtype)).map(({ name, shape, dtype }) => ({ name, shape, dtype }));
}

async function graphOf(seen: Seen, { path, external: usual }: PickedGraph): Promise<GraphLook> {
  const listed = (wanted: string) => seen.files.find((file) => file.path === wanted);
  const name = `${seen.reference}/${path}`;
  const whole = (listed(path)?.bytes ?? Infinity) <= GRAPH_BYTES_MAX;
  const source = whole ? null : await seen.bytes(path);
  const bytes = whole ? await seen.read(path) : source && (await outlineOf(source, { name }));
  if (!bytes) return { path, tensors: null, external: usual };
  const external = externalPaths(bytes, name).map((one) => beside(path, one));
  const missing = external.find((one) => !listed(one));
  if (missing !== undefined) throw new LabError("not-found", `${name} keeps its weights in ${missing}, which is missing. Take a repository that has both.`, { details: { path: missing } });
  const tensors = listTensors(parseModel(bytes, name).graph).flatMap(({ tensor, name: weight, weight: id }) => {
    const dtype = floatTypeOf(tensor);
    return id === null || dtype === null ? [] : [{ name: weight, shape: shapeOf(tensor, name), dtype }];
  });
  return { path, tensors, external };
}
