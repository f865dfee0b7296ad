/** What is told of each model of a look: kind, licence, and the files that a run will use of it. */
import type { PreflightModel } from "../../threads/hub.ts";
import type { Place } from "../sources/source.ts";
import { type Found, inGraphs, modelOfReference, parametersOf } from "./found.ts";

/** What else of a folder a run uses: processors, tokenizers, generation settings. */
const companion = /^((generation_|preprocessor_|processor_|tokenizer_|special_tokens_|adapter_)?config|tokenizer|vocab|merges|special_tokens_map|added_tokens|names)\.(json|txt)$/;

interface Among {
  readonly base: string;
  /** The model whose graph is run. */
  readonly provider: Found | undefined;
  /** True where some model has no graph of its own, so that somebody must say which tensor belongs where in the provider's. */
  readonly borrowed: boolean;
}

export async function modelOf(one: Found, among: Among, place: Place): Promise<PreflightModel> {
  const { ref, facts, look: { config, named, graphs, adapter }, added } = one;
  // On the base itself only the adapter is new.
  const parts = added ? [...(modelOfReference(ref) === among.base ? [] : [{ ...one, added: null }]), added] : [one];
  const files = (await Promise.all(parts.map((part) => filesOf(part, among, place)))).flat();
  const tensors = named ?? inGraphs(one);
  return {
    ref,
    error: null,
    commit: facts?.commit ?? null,
    format: added || adapter ? "lora" : graphs.length > 0 ? "onnx" : "safetensors",
    modelType: config?.modelType ?? null,
    licence: (added ?? one).facts?.licence ?? null,
    baseModels: [...((added ?? one).facts?.baseModels ?? [])],
    gated: parts.some((part) => part.facts?.gated),
    private: parts.some((part) => part.facts?.private),
    tensors: tensors?.length ?? null,
    parameters: tensors && parametersOf(tensors),
    dtypes: [...new Set((tensors ?? []).map(({ dtype }) => dtype))].sort(),
    files,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** A graph where there is one; the provider's safetensors too where others are put into its graph and no names.json tells. */
async function filesOf(one: Found, { provider, borrowed }: Among, { remote }: Place): Promise<PreflightModel["files"]> {
  const { facts, seen, look: { picked, graphs } } = one;
  const there = new Set(seen.files.map(({ path }) => path));
  const weights = [...(picked.safetensors?.files ?? []), ...(picked.safetensors?.index ? [picked.safetensors.index] : [])];
  const lends = one.ref === provider?.ref && borrowed && !there.has("names.json");
  const used = new Set([
    ...graphs.flatMap(({ path, external }) => [path, ...external]),
    ...(picked.adapter && graphs.length === 0 && weights.length === 0 ? [picked.adapter.weights] : graphs.length === 0 || lends ? weights : []),
    ...[...there].filter((path) => companion.test(path)),
  ]);
  const cached = facts ? new Set([...(await remote.cached(facts.files.filter(({ path }) => used.has(path))))].map(({ path }) => path)) : used;
  return seen.files.filter(({ path }) => used.has(path)).map(({ path, bytes }) => ({ path, bytes, cached: cached.has(path) }));
}

export function notesOf(one: Found, base: string): string[] {
  const { ref, added } = one;
  if (added) return [...notesOf(added, base), ...(modelOfReference(ref) === base ? [] : notesOf({ ...one, ref: modelOfReference(ref), added: null }, base))];
  const { facts, look: { adapter } } = one;
  if (!facts) return [];
  const notes: string[] = [];
  const baseId = base.split(/[@+]/)[0];
  const from = typeof adapter?.["base_model_name_or_path"] === "string" ? [adapter["base_model_name_or_path"]] : facts.baseModels;
  if (ref !== base && from.length > 0 && !from.includes(baseId ?? "")) notes.push(`${ref} says it was tuned from ${from.slice(0, 3).join(", ")}, not from ${baseId}.`);
  if (facts.licence === null) notes.push(`${ref} names no licence: ask its owner before you share a merge of it.`);
  return notes;
}

export function unknown(ref: string, error: { code: string; message: string }): PreflightModel {
  return { ref, error, commit: null, format: null, modelType: null, licence: null, baseModels: [], gated: false, private: false, tensors: null, parameters: null, dtypes: [], files: [], bytes: 0 };
}
