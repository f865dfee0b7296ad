/** The files of a model's folder → one checkpoint, whether it lies in one file or in shards. Only headers are read. */
import { LabError } from "../../lib/error.ts";
import { bitsEach, isFloatDtype } from "./dtype.ts";
import { floatsOf } from "./elements.ts";
import { quoted, readHeader, type StoredTensor } from "./header.ts";
import { INDEX, readShards, type Shards, SINGLE } from "./shards.ts";
import type { ByteSource, SourceFile } from "./source.ts";

export interface OpenOptions {
  /** For messages: the model as a person knows it. */
  readonly model: string;
  readonly signal?: AbortSignal;
}

/**
 * `files` may hold more than weights. Taken, in this order: shards by `model.safetensors.index.json`, `model.safetensors`, the
 * only file that ends so (or the only index). Of several in several folders, those that lie highest.
 */
export async function openSafetensors(files: readonly SourceFile[], { model, signal }: OpenOptions): Promise<SafetensorsCheckpoint> {
  const main = mainFile(files, model);
  return new SafetensorsCheckpoint(main.path.endsWith(".json") ? await readShards(main, files, signal) : await single(main, signal));
}

async function single(file: SourceFile, signal?: AbortSignal): Promise<Shards> {
  return { ...(await readHeader(file, signal)), files: [file], unlisted: [] };
}

function mainFile(files: readonly SourceFile[], model: string): SourceFile {
  const depth = ({ path }: SourceFile) => path.split("/").length;
  const named = files.filter(({ path }) => /\.safetensors(\.index\.json)?$/.test(path));
  const highest = named.filter((file) => depth(file) === Math.min(...named.map(depth)));
  const byName = (name: string) => highest.filter(({ path }) => path.slice(path.lastIndexOf("/") + 1) === name);
  const indexes = highest.filter(({ path }) => path.endsWith(".json"));
  const candidates = [byName(INDEX), byName(SINGLE), indexes, highest].find((list) => list.length > 0) ?? [];
  const [only] = candidates;
  if (!only) {
    const pickled = files.find(({ path }) => /(^|\/)pytorch_model.*\.bin$/.test(path));
    const why = pickled ? ` ${pickled.path} is a Python pickle, which can run any code and is not opened: convert it first.` : " It should have model.safetensors, or model.safetensors.index.json with its shards.";
    throw new LabError("not-found", `There is no safetensors file in ${model}.${why}`, { details: { model } });
  }
  if (candidates.length > 1) {
    const shown = candidates.slice(0, 3).map(({ path }) => path).join(", ");
    throw new LabError("bad-safetensors", `${model} has ${candidates.length} safetensors files (${shown}${candidates.length > 3 ? ", …" : ""}) and nothing that says which of them are the model. Add its ${INDEX}, or leave one file only.`, { details: { model } });
  }
  return only;
}

/** A checkpoint on disk or on a server: what is in it, and any range of it. */
export class SafetensorsCheckpoint {
  /** By file, then as they lie in it: read in this order, a disk reads forwards. */
  readonly tensors: readonly StoredTensor[];
  /** `__metadata__` of the (first) file. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Tensors that lie in a shard though the index does not name them. Tools disagree on whether they count; here they do not. */
  readonly unlisted: readonly string[];
  readonly #byName: ReadonlyMap<string, StoredTensor>;
  readonly #sources: ReadonlyMap<string, ByteSource>;

  constructor({ tensors, metadata, unlisted, files }: Shards) {
    this.tensors = tensors;
    this.metadata = metadata;
    this.unlisted = unlisted;
    this.#byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
    this.#sources = new Map(files.map(({ path, source }) => [path, source]));
  }

  get(name: string): StoredTensor | undefined {
    return this.#byName.get(name);
  }

  /** Elements from..to−1 as they are stored. Nobody else writes to the array; it may be a view. */
  async readRaw(name: string, from?: number, to?: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#read(this.#find(name), from, to, signal);
  }

  /** Elements from..to−1 as f32 (`into`'s first ones, where it is given). Only of F32, F16, BF16 and F64. */
  async readF32(name: string, from?: number, to?: number, into?: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
    const tensor = this.#find(name);
    const { dtype, file } = tensor;
    if (!isFloatDtype(dtype)) {
      throw new LabError("unsupported-safetensors", `${quoted(name)} in ${file} holds ${dtype} values. Only F32, F16, BF16 and F64 are merged; others are copied as they are.`, { details: { file, tensor: name, dtype } });
    }
    return floatsOf(await this.#read(tensor, from, to, signal), dtype, into);
  }

  #find(name: string): StoredTensor {
    const tensor = this.#byName.get(name);
    if (!tensor) throw new LabError("internal", `There is no tensor ${quoted(name)} in this checkpoint.`);
    return tensor;
  }

  async #read({ name, file, offset, elements, dtype }: StoredTensor, from = 0, to = elements, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const [begin, end] = [(from * bitsEach[dtype]) / 8, (to * bitsEach[dtype]) / 8];
    const source = this.#sources.get(file);
    if (!source || !(from >= 0 && from <= to && to <= elements) || !Number.isInteger(begin) || !Number.isInteger(end)) {
      throw new LabError("internal", `Elements ${from}–${to} of ${quoted(name)} cannot be read: it has ${elements}.`);
    }
    const bytes = await source.read(offset + begin, offset + end, signal);
    if (bytes.length !== end - begin) {
      throw new LabError("length-mismatch", `${file} gave ${bytes.length} bytes of ${quoted(name)} where ${end - begin} were asked for: it was changed while it was read. Start again.`, { details: { file, tensor: name } });
    }
    return bytes;
  }
}
