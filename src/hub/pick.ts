/**
 * Which files of a folder make a model, by the conventions of the Hub and of transformers.js: `onnx/model{suffix}.onnx`, an encoder with
 * `decoder_model_merged`, external data beside them; `model.safetensors` or its shards; an adapter. What cannot be taken is refused by name,
 * with the reason and what to take instead.
 */
import { LabError } from "../lib/error.ts";

export interface PickedGraph {
  readonly role: "model" | "encoder" | "decoder";
  readonly path: string;
  /** Files beside it that hold its weights, by name; the graph itself has the last word. */
  readonly external: readonly string[];
  readonly dtype: "float32" | "float16";
}

export interface Refused {
  readonly path: string;
  /** "is quantised (q4): …", after the path. */
  readonly why: string;
}

export interface Picked {
  /** One graph, or an encoder and a decoder; empty: none that can be taken. */
  readonly graphs: readonly PickedGraph[];
  /** Parts in order; the index where there are several. null: none. */
  readonly safetensors: { readonly files: readonly string[]; readonly index: string | null } | null;
  readonly adapter: { readonly config: string; readonly weights: string } | null;
  readonly refused: readonly Refused[];
}

const suffixes = [["", "float32"], ["_fp16", "float16"]] as const;
const coarse = /_(int8|uint8|q8|quantized|q4|q4f16|q2|q1|bnb4|fp8|fp4|int4)\.onnx$/;
const pickles = /\.(bin|pt|pth|ckpt|pkl)$/i;
const foreign: readonly (readonly [RegExp, string])[] = [
  [/\.gguf$/i, "is a GGUF file of llama.cpp"],
  [/^tf_model\.h5$/, "is TensorFlow's"],
  [/\.msgpack$/i, "is Flax's"],
  [/\.tflite$/i, "is TensorFlow Lite's"],
];

export function pick(paths: readonly string[]): Picked {
  const all = new Set(paths);
  return {
    graphs: graphsOf(all),
    safetensors: safetensorsOf(all),
    adapter: all.has("adapter_config.json") && all.has("adapter_model.safetensors") ? { config: "adapter_config.json", weights: "adapter_model.safetensors" } : null,
    refused: paths.flatMap((path) => refusalOf(path, all)),
  };
}

/** Float before half, the folder onnx/ before the root, one graph before two. */
function graphsOf(all: ReadonlySet<string>): PickedGraph[] {
  for (const [suffix, dtype] of suffixes) {
    for (const under of ["onnx/", ""]) {
      const graph = (role: PickedGraph["role"], name: string): PickedGraph | null => {
        const path = `${under}${name}${suffix}.onnx`;
        return all.has(path) ? { role, path, external: externalOf(path, all), dtype } : null;
      };
      const whole = graph("model", "model");
      if (whole) return [whole];
      const [encoder, decoder] = [graph("encoder", "encoder_model"), graph("decoder", "decoder_model_merged")];
      if (encoder && decoder) return [encoder, decoder];
      // Older exports of models that only decode.
      if (decoder && !encoder) return [{ ...decoder, role: "model" }];
    }
  }
  return [];
}

/** `x.onnx_data`, `x.onnx_data_1` …, `x.onnx.data`. */
function externalOf(path: string, all: ReadonlySet<string>): string[] {
  return [...all].filter((one) => one.startsWith(path) && /^(_data(_\d+)?|\.data)$/.test(one.slice(path.length))).sort();
}

function safetensorsOf(all: ReadonlySet<string>): Picked["safetensors"] {
  if (all.has("model.safetensors")) return { files: ["model.safetensors"], index: null };
  const index = "model.safetensors.index.json";
  const shards = [...all].filter((path) => /^model-\d{5}-of-\d{5}\.safetensors$/.test(path)).sort();
  if (shards.length === 0) return null;
  const count = Number(/of-(\d{5})/.exec(shards[0] ?? "")?.[1]);
  const missing = Array.from({ length: count }, (_, i) => `model-${String(i + 1).padStart(5, "0")}-of-${String(count).padStart(5, "0")}.safetensors`).find((path) => !all.has(path));
  if (missing) throw new LabError("not-found", `${missing} is missing: the model has ${count} parts, and all are needed.`, { details: { path: missing } });
  return { files: shards, index: all.has(index) ? index : null };
}

function refusalOf(path: string, all: ReadonlySet<string>): Refused[] {
  if (coarse.test(path)) {
    const kind = coarse.exec(path)?.[1] ?? "";
    const stem = path.replace(coarse, "");
    const take = [`${stem}.onnx`, `${stem}_fp16.onnx`].find((one) => all.has(one));
    return [{ path, why: `is quantised (${kind}): its weights are whole numbers on a coarse grid and cannot be mixed. Take ${take ?? "the float file of the same model, model.onnx or model_fp16.onnx"}` }];
  }
  if (pickles.test(path) && !path.includes("/") && !/^(training_args|optimizer|scheduler|rng_state)/.test(path)) {
    const adapter = path.startsWith("adapter_model");
    const take = adapter ? "adapter_model.safetensors" : "model.safetensors";
    const has = all.has(take) || (!adapter && [...all].some((one) => /^model-\d+-of-\d+\.safetensors$/.test(one)));
    return [{ path, why: `is a Python pickle, which can run any code and is not opened. Take ${has ? `${take}, which is there too` : `a repository with ${take}, or convert it (the Hub's space safetensors/convert does)`}` }];
  }
  const other = foreign.find(([pattern]) => pattern.test(path));
  return other ? [{ path, why: `${other[1]}. Take model.safetensors or onnx/model.onnx` }] : [];
}

/** A decoder exported as two files, for the first token and for the others. */
export const isUnmerged = (paths: readonly string[]): boolean => paths.some((path) => /(^|\/)decoder_model\.onnx$/.test(path)) && !paths.some((path) => /decoder_model_merged/.test(path));

/** Why a folder gives no model: what is there and cannot be taken, and what to take. */
export function nothingToTake(reference: string, picked: Picked, paths: readonly string[]): LabError {
  const [first, ...more] = picked.refused;
  const why = isUnmerged(paths)
    ? "its decoder lies in two files (decoder_model.onnx and decoder_with_past_model.onnx). Export it merged, as decoder_model_merged.onnx"
    : first
      ? `${first.path} ${first.why}${more.length > 0 ? ` (and ${more.length} other file${more.length > 1 ? "s" : ""} of such kinds)` : ""}`
      : "there is neither onnx/model.onnx nor model.safetensors in it. Take a repository that has one, or export it (optimum-cli export onnx)";
  return new LabError("not-found", `${reference} holds no model that can be merged: ${why}.`, { details: { reference, refused: picked.refused } });
}
