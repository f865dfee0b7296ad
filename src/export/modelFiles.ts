/**
 * A merged model laid out as its source: `config.json`, `preprocessor_config.json`, `onnx/model.onnx`, and `model.safetensors` beside them where
 * it is asked for, so that transformers.js and transformers both load it by from_pretrained. Where tasks have
 * heads of their own, one such folder a head, and beside them the joint graph in `onnx/model.onnx`.
 */
import type { Alignment, LiftedGraph } from "../checkpoint/types.ts";
import { sha256 } from "../lib/bytes.ts";
import { LabError } from "../lib/error.ts";
import { bakeGraph, fillsOf, type OnnxOut, type StoredAs } from "./bake.ts";
import { joinHeads } from "./join.ts";
import { type BaseCheckpoint, safetensorsFiles } from "./safetensors.ts";

export interface OutFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** One model whose head (and labels, and preprocessing) the merged body is given. */
export interface HeadModel {
  /** Model id in the alignment; names the folder. */
  readonly model: string;
  /** Tasks scored with it. */
  readonly tasks: readonly string[];
  /** One array a head tensor, in `alignment.heads` order. */
  readonly tensors: readonly Float32Array[];
  /** Small files of its folder to go along: config, preprocessor, tokenizer, licence. Paths as they lie there. */
  readonly files: readonly { readonly path: string; readonly bytes: Uint8Array }[];
}

export interface MergedModel {
  readonly alignment: Alignment;
  /** One array a segment, graph layout, already rounded to what they will be stored in. */
  readonly weights: readonly Float32Array[];
  /** Models without heads give one, with no tensors. */
  readonly heads: readonly HeadModel[];
  readonly dtype: StoredAs;
  /** Where `model.safetensors` is wanted as well: the base's checkpoint, and the base's id in the alignment. */
  readonly checkpoint?: { readonly base: string; readonly of: BaseCheckpoint } | null;
}

/** Files of a source that belong to a merged model as well (weights and samples do not). */
export const goesAlong = (path: string): boolean =>
  /^(config|preprocessor_config|processor_config|image_processor|tokenizer|tokenizer_config|special_tokens_map|generation_config|added_tokens|vocab)\.json$|^(merges|vocab)\.txt$|^chat_template\.(jinja|json)$|^(LICENSE|NOTICE)(\.\w+)?$/.test(path);

export async function modelFiles({ alignment, weights, heads, dtype, checkpoint }: MergedModel): Promise<OutFile[]> {
  const files: { path: string; bytes: Uint8Array }[] = [];
  const shared = alignment.heads.length === 0;
  const stored = storedDtype(alignment, dtype);
  for (const head of shared ? heads.slice(0, 1) : heads) {
    const folder = shared ? "" : `${safe(head.model)}/`;
    for (const { path, bytes } of head.files) {
      if (goesAlong(path)) files.push({ path: folder + path, bytes: path === "config.json" ? trueConfig(bytes, stored) : bytes });
    }
    const fills = fillsOf(alignment, weights, shared ? undefined : head);
    for (const { role, bytes } of alignment.graphs) {
      const stem = STEMS[role];
      files.push(...onnxFiles(`${folder}onnx/${stem}`, bakeGraph(bytes, fills, { dtype, dataFile: `${stem}.onnx_data` })));
    }
    if (!checkpoint) continue;
    for (const { path, bytes } of await safetensorsFiles(alignment, checkpoint.base, fills, checkpoint.of, dtype)) files.push({ path: folder + path, bytes });
  }
  const tasks = heads.flatMap(({ model, tensors, tasks: ids }) => ids.map((task) => ({ task, model, tensors })));
  if (!shared && tasks.length && alignment.graphs.length === 1) files.push(...onnxFiles("onnx/model", joinHeads(alignment, weights, tasks, { dtype })));
  return Promise.all(files.map(async (file) => ({ ...file, sha256: await sha256(file.bytes) })));
}

/** Names that transformers.js, and optimum in Python, look for. */
const STEMS: Readonly<Record<LiftedGraph["role"], string>> = { model: "model", encoder: "encoder_model", decoder: "decoder_model_merged" };

function onnxFiles(stem: string, { model, data }: OnnxOut): { path: string; bytes: Uint8Array }[] {
  const files = [{ path: `${stem}.onnx`, bytes: model as Uint8Array }];
  if (data.length) files.push({ path: `${stem}.onnx_data`, bytes: whole(data) });
  return files;
}

function whole(parts: readonly Uint8Array[]): Uint8Array {
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  let out: Uint8Array;
  try {
    out = new Uint8Array(total);
  } catch (cause) {
    throw new LabError("out-of-memory", `The merged model has ${(total / 1e9).toFixed(1)} GB of weights, more than this browser gives one file. Write it as float16.`, { cause });
  }
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The type most weights are stored in. */
function storedDtype(alignment: Alignment, dtype: StoredAs): string {
  if (dtype !== "keep") return dtype;
  const elements = new Map<string, number>();
  alignment.segments.forEach((segment, i) => elements.set(segment.dtype, (elements.get(segment.dtype) ?? 0) + (alignment.space.segments[i]?.length ?? 0)));
  return [...elements].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "float32";
}

/**
 * The head's own config (its labels are the true ones) with the type the weights now have. Edited as text: parsed and
 * written again, 0.0 would become 0, which strict readers refuse.
 */
function trueConfig(bytes: Uint8Array, dtype: string): Uint8Array {
  const text = new TextDecoder().decode(bytes);
  const told = /("(?:torch_)?dtype"\s*:\s*)(?:"[^"]*"|null)/;
  const edited = told.test(text) ? text.replace(told, `$1"${dtype}"`) : text.replace("{", `{\n  "dtype": "${dtype}",`);
  return new TextEncoder().encode(edited);
}

/** An id becomes a folder name and nothing more. */
const safe = (id: string): string => id.replace(/[^\w.-]/g, "_").replace(/^\.+/, "_");
