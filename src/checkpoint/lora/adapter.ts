/**
 * A LoRA adapter as PEFT saves it: pairs A, B (and DoRA's magnitudes) by module, and tensors that replace the base's whole.
 * Only headers are read until somebody asks for factors.
 */
import { LabError } from "../../lib/error.ts";
import { isFloatDtype, shapeText } from "../safetensors/dtype.ts";
import { quoted, readHeader, type StoredTensor } from "../safetensors/header.ts";
import { SafetensorsCheckpoint } from "../safetensors/open.ts";
import type { SourceFile } from "../safetensors/source.ts";
import { type AdapterConfig, parseAdapterConfig, rankOf, scaleOf } from "./config.ts";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** What is adapted of one module. */
export interface AdapterPair {
  /** "model.layers.0.self_attn.q_proj": without PEFT's own beginning. */
  readonly module: string;
  /** An embedding's A is [r, rows] and its B [columns, r]; else A is [r, in …], B [out, r …]. */
  readonly embedding: boolean;
  readonly a: StoredTensor;
  readonly b: StoredTensor;
  readonly rank: number;
  readonly scale: number;
  /** DoRA: the length of each output's weights. */
  readonly magnitude: StoredTensor | null;
  /** Added to the module's bias, times the scale. */
  readonly bias: StoredTensor | null;
}

export interface Adapter {
  /** For messages. */
  readonly name: string;
  readonly config: AdapterConfig;
  readonly pairs: readonly AdapterPair[];
  /** Tensors of the base that it replaces whole (modules_to_save, biases, embeddings), by the base's name. */
  readonly whole: ReadonlyMap<string, StoredTensor>;
  readonly weights: SafetensorsCheckpoint;
}

/** `name`: the adapter as a person knows it. Files may hold more than the two that are read. */
export async function openAdapter(files: readonly SourceFile[], { name, signal }: { name: string; signal?: AbortSignal }): Promise<Adapter> {
  const weightsFile = fileOf(files, ADAPTER_WEIGHTS, name);
  const { path, source } = fileOf(files, ADAPTER_CONFIG, name);
  if (source.size > 1e7) throw new LabError("bad-safetensors", `${name}/${path} has ${source.size} bytes: that is no ${ADAPTER_CONFIG}.`, { details: { file: path } });
  const config = parseAdapterConfig(new TextDecoder().decode(await source.read(0, source.size, signal)), `${name}/${path}`);
  const weights = new SafetensorsCheckpoint({ ...(await readHeader(weightsFile, signal)), files: [weightsFile], unlisted: [] });
  return { name, config, ...sorted(weights.tensors, config, name), weights };
}

function fileOf(files: readonly SourceFile[], wanted: string, name: string): SourceFile {
  const found = files.filter(({ path }) => path === wanted || path.endsWith(`/${wanted}`)).sort((a, b) => a.path.length - b.path.length)[0];
  if (found) return found;
  const pickled = files.find(({ path }) => /(^|\/)adapter_model\.(bin|pt|pth)$/.test(path));
  const why = pickled ? ` ${pickled.path} is a Python pickle, which can run any code and is not opened: load the adapter with PEFT and save it again, it then writes ${ADAPTER_WEIGHTS}.` : ` An adapter has ${ADAPTER_CONFIG} and ${ADAPTER_WEIGHTS}.`;
  throw new LabError("not-found", `There is no ${wanted} in ${name}.${why}`, { details: { name, file: wanted } });
}

type Role = "a" | "b" | "magnitude" | "bias";
type Found = { embedding: boolean } & Partial<Record<Role, StoredTensor>>;

// Between role and "weight" older files name the adapter ("lora_A.default.weight").
const factor = /^(.+)\.lora_(embedding_)?([AB])(?:\.(?!weight$|bias$)\w+)?(?:\.(weight|bias))?$/;
const magnitude = /^(.+)\.lora_magnitude_vector(?:\.(?!weight$)\w+)?(?:\.weight)?$/;
/** Other kinds of adapters name their tensors so. */
const foreign = /\.(lora_[E-Ze-z]\w*|ia3_l|hada_w\w+|lokr_w\w+|oft_\w+|boft_\w+|vera_\w+|token_adapter|trainable_tokens\w*|original_module|prompt_embeddings)(\.|$)/;

function sorted(tensors: readonly StoredTensor[], config: AdapterConfig, name: string): Pick<Adapter, "pairs" | "whole"> {
  const found = new Map<string, Found>();
  const whole = new Map<string, StoredTensor>();
  const put = (module: string, role: Role, tensor: StoredTensor, embedding?: boolean) => {
    const one = found.get(module) ?? { embedding: false };
    if (one[role]) throw wrong(name, `holds two adapters of ${quoted(module)}. Save each adapter into a folder of its own`);
    found.set(module, { ...one, [role]: tensor, ...(embedding === undefined ? {} : { embedding }) });
  };
  for (const tensor of tensors) {
    const short = tensor.name.replace(/^base_model\.model\./, "").replace(/\.base_layer\b/, "");
    if (!isFloatDtype(tensor.dtype)) throw wrong(name, `stores ${quoted(tensor.name)} as ${tensor.dtype}; only F32, F16, BF16 and F64 are read`);
    const [, module, embedding, letter, kind] = factor.exec(short) ?? [];
    const scaled = magnitude.exec(short)?.[1];
    if (module !== undefined && kind === "bias") put(module, letter === "B" ? "bias" : wrongBias(name, tensor), tensor);
    else if (module !== undefined) put(module, letter === "A" ? "a" : "b", tensor, embedding !== undefined);
    else if (scaled !== undefined) put(scaled, "magnitude", tensor);
    else if (foreign.test(short)) throw wrong(name, `holds ${quoted(tensor.name)}, which is no part of a LoRA or DoRA adapter`);
    else whole.set(short.replace(/\.modules_to_save(\.\w+)?(?=\.)/, ""), tensor);
  }
  if (found.size === 0) throw wrong(name, "holds no LoRA factors (lora_A, lora_B). Other kinds of adapters are not read");
  return { pairs: [...found].map(([module, one]) => pairOf(module, one, config, name)), whole };
}

function wrongBias(name: string, tensor: StoredTensor): never {
  throw wrong(name, `holds ${quoted(tensor.name)}, a bias where none can be`);
}

function pairOf(module: string, { a, b, magnitude: lengths, bias, embedding }: Found, config: AdapterConfig, name: string): AdapterPair {
  if (!a || !b) throw wrong(name, `has ${a ? "A" : b ? "B" : "a magnitude"} of ${quoted(module)} but not ${a ? "B" : b ? "A" : "A and B"}`);
  const rank = a.shape[0] ?? 0;
  const told = rankOf(config, module);
  if (a.shape.length < 2 || b.shape.length < 2 || a.elements === 0 || b.elements === 0 || b.shape[1] !== rank || b.elements !== (b.shape[0] ?? 0) * rank) {
    throw wrong(name, `has factors of ${quoted(module)} that cannot be multiplied: A is ${shapeText(a.shape)}, B is ${shapeText(b.shape)}`);
  }
  if (told !== rank) throw wrong(name, `says that ${quoted(module)} has rank ${told}, but its A is ${shapeText(a.shape)}: ${ADAPTER_CONFIG} is of another adapter`);
  if (config.dora && !lengths) throw wrong(name, `is DoRA, but has no magnitudes of ${quoted(module)}`);
  return { module, embedding, a, b, rank, scale: scaleOf(config, module, rank), magnitude: lengths ?? null, bias: bias ?? null };
}

function wrong(name: string, what: string): LabError {
  return new LabError("bad-safetensors", `${name} ${what}.`, { details: { adapter: name } });
}
