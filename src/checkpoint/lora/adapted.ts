/**
 * A checkpoint with an adapter laid onto it, read like any other: ranges of its tensors are the base's plus ΔW, made when they
 * are asked for. ΔW = s·B·A (LoRA, arXiv 2106.09685); W′ = m·(W + ΔW)/‖W + ΔW‖, a length an output (DoRA, arXiv 2402.09353).
 */
import { LabError } from "../../lib/error.ts";
import { isFloatDtype } from "../safetensors/dtype.ts";
import { Encoder } from "../safetensors/elements.ts";
import { quoted, type StoredTensor } from "../safetensors/header.ts";
import type { SafetensorsCheckpoint } from "../safetensors/open.ts";
import type { Adapter, AdapterPair } from "./adapter.ts";
import { AdaptedTensor } from "./adaptedTensor.ts";
import type { LowRank } from "./factors.ts";
import { type Fit, fit, type FittedPair } from "./fit.ts";

/** What a checkpoint on disk, or one with an adapter on it, can do. */
export type CheckpointReader = Pick<SafetensorsCheckpoint, "tensors" | "metadata" | "unlisted" | "get" | "readRaw" | "readF32">;

/** What an adapter has for one tensor. */
export interface Changes {
  /** In place of the base's. */
  readonly whole: StoredTensor | null;
  readonly weight: FittedPair | null;
  readonly bias: AdapterPair | null;
}

/** How a tensor differs from the base's. */
export type Change = "none" | "low-rank" | "dense";

/** `base`: for messages, the base as a person knows it. Throws where the adapter is for another base. */
export function withAdapter(checkpoint: CheckpointReader, adapter: Adapter, { base }: { base: string }): AdaptedCheckpoint {
  return new AdaptedCheckpoint(checkpoint, adapter, fit(adapter, { name: base, tensors: checkpoint.tensors }));
}

export class AdaptedCheckpoint implements CheckpointReader {
  readonly tensors: readonly StoredTensor[];
  readonly #byName: ReadonlyMap<string, StoredTensor>;
  readonly #base: CheckpointReader;
  readonly #adapter: Adapter;
  readonly #fit: Fit;
  /** Of the tensors read last: a tensor is read in many parts, one after the other. */
  readonly #loaded = new Map<string, Promise<AdaptedTensor>>();

  constructor(base: CheckpointReader, adapter: Adapter, fitted: Fit) {
    this.#base = base;
    this.#adapter = adapter;
    this.#fit = fitted;
    const whole = new Map([...fitted.whole].map(([name, tensor]) => [name, { ...tensor, name }]));
    const own = base.tensors.map((tensor) => whole.get(tensor.name) ?? tensor);
    const names = new Set(own.map(({ name }) => name));
    this.tensors = [...own, ...[...whole.values()].filter(({ name }) => !names.has(name))];
    this.#byName = new Map(this.tensors.map((tensor) => [tensor.name, tensor]));
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#base.metadata;
  }

  get unlisted(): readonly string[] {
    return this.#base.unlisted;
  }

  get(name: string): StoredTensor | undefined {
    return this.#byName.get(name);
  }

  /** Elements from..to−1 in f32: exact but for one rounding of each sum. */
  async readF32(name: string, from = 0, to = this.#find(name).elements, into?: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
    const fitted = this.#fit.weights.get(name);
    const biased = this.#fit.biases.get(name);
    if (!fitted && !biased) return this.#before(name, from, to, into, signal);
    const out = into?.subarray(0, to - from) ?? new Float32Array(to - from); // never the base's own array
    const before = (first: number, end: number, part: Float32Array) => this.#before(name, first, end, part, signal);
    if (fitted) return (await this.#load(name, fitted, signal)).read(before, from, to, out);
    await before(from, to, out);
    return biased ? this.#addBias(out, biased, from, signal) : out;
  }

  /** Before anything is added: the base's, or what the adapter brings in its place. */
  #before(name: string, from: number, to: number, into?: Float32Array, signal?: AbortSignal): Promise<Float32Array> {
    const replaced = this.#fit.whole.get(name);
    return replaced ? this.#adapter.weights.readF32(replaced.name, from, to, into, signal) : this.#base.readF32(name, from, to, into, signal);
  }

  /** As the base stores it: f32 values rounded to its type. */
  async readRaw(name: string, from = 0, to = this.#find(name).elements, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const replaced = this.#fit.whole.get(name);
    if (!this.#fit.weights.has(name) && !this.#fit.biases.has(name)) {
      return replaced ? this.#adapter.weights.readRaw(replaced.name, from, to, signal) : this.#base.readRaw(name, from, to, signal);
    }
    const { dtype } = this.#find(name);
    const values = await this.readF32(name, from, to, undefined, signal);
    if (!isFloatDtype(dtype)) throw new LabError("internal", `${quoted(name)} was read as numbers though it holds ${dtype}.`);
    return new Encoder().encode(values, dtype) as Uint8Array<ArrayBuffer>;
  }

  /** For whoever reads a tensor elsewhere: what stands in its place, and what is added to that; null where nothing changes. */
  changes(name: string): Changes | null {
    const { whole, weights, biases } = this.#fit;
    const found = { whole: whole.get(name) ?? null, weight: weights.get(name) ?? null, bias: biases.get(name) ?? null };
    return found.whole || found.weight || found.bias ? found : null;
  }

  change(name: string): Change {
    if (this.#fit.whole.has(name) || this.#fit.biases.has(name)) return "dense";
    const fitted = this.#fit.weights.get(name);
    return !fitted ? "none" : fitted.pair.magnitude ? "dense" : "low-rank";
  }

  /** ΔW of a tensor whose change is of low rank, laid as the checkpoint stores it; null for the others. */
  async lowRank(name: string, signal?: AbortSignal): Promise<LowRank | null> {
    const fitted = this.#fit.weights.get(name);
    return this.change(name) === "low-rank" && fitted ? (await this.#load(name, fitted, signal)).low : null;
  }

  async #addBias(out: Float32Array, { bias, scale }: AdapterPair, from: number, signal?: AbortSignal): Promise<Float32Array> {
    if (!bias) return out;
    const added = await this.#adapter.weights.readF32(bias.name, from, from + out.length, undefined, signal);
    for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) + scale * (added[i] as number);
    return out;
  }

  #load(name: string, fitted: FittedPair, signal?: AbortSignal): Promise<AdaptedTensor> {
    const known = this.#loaded.get(name);
    if (known) return known;
    const made = this.#read(fitted, signal);
    this.#loaded.set(name, made);
    made.catch(() => this.#loaded.delete(name)); // asked for again, it is read again
    const [oldest] = this.#loaded.keys();
    if (this.#loaded.size > 4 && oldest !== undefined) this.#loaded.delete(oldest);
    return made;
  }

  async #read(fitted: FittedPair, signal?: AbortSignal): Promise<AdaptedTensor> {
    const read = async ({ name }: StoredTensor) => Float32Array.from(await this.#adapter.weights.readF32(name, undefined, undefined, undefined, signal));
    const { a, b, magnitude } = fitted.pair;
    return new AdaptedTensor(fitted, { a: await read(a), b: await read(b), magnitude: magnitude && (await read(magnitude)) });
  }

  #find(name: string): StoredTensor {
    const tensor = this.#byName.get(name);
    if (!tensor) throw new LabError("internal", `There is no tensor ${quoted(name)} in this checkpoint.`);
    return tensor;
  }
}
