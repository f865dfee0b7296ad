/** An adapter laid onto a base: which tensor each pair changes, and how its factors lie against it. */
import { LabError } from "../../lib/error.ts";
import { shapeText } from "../safetensors/dtype.ts";
import type { StoredTensor } from "../safetensors/header.ts";
import type { Adapter, AdapterPair } from "./adapter.ts";

/** A weight of the base, and what is added to it. */
export interface FittedPair extends Lie {
  readonly pair: AdapterPair;
}

/** A weight as a matrix, first dimension × all others, and how its factors lie against it. */
export interface Lie {
  readonly rows: number;
  readonly columns: number;
  /** True: ΔW = s·(B·A)ᵀ (embeddings; weights that lie [in, out]). DoRA's lengths are then of columns. */
  readonly turned: boolean;
}

export interface Fit {
  /** By the base's tensor. */
  readonly weights: ReadonlyMap<string, FittedPair>;
  /** Biases that get s·b added. */
  readonly biases: ReadonlyMap<string, AdapterPair>;
  /** Tensors that the adapter brings whole, by the base's name where the base has it: replaced (before anything is added), or new. */
  readonly whole: ReadonlyMap<string, StoredTensor>;
}

interface Base {
  /** For messages. */
  readonly name: string;
  readonly tensors: readonly Pick<StoredTensor, "name" | "shape" | "elements">[];
}

const NAMED = 3;
/** Where a head shares its table with the embedding, files keep the table only. */
const tied = /(^|\.)(lm_head|embed_out|proj_out)$/;
const table = /(^|\.)(embed_tokens|wte|shared|word_embeddings|embed_in)\.weight$/;

export function fit(adapter: Adapter, base: Base): Fit {
  const tensors = new Map(base.tensors.map((tensor) => [tensor.name, tensor]));
  const rename = prefixBetween(adapter.pairs.map(({ module }) => module), tensors);
  const whole = new Map([...adapter.whole].map(([name, tensor]) => [tensors.has(rename(name)) ? rename(name) : name, tensor]));
  // An embedding that is saved whole may be adapted besides.
  for (const [name, tensor] of whole) tensors.set(name, tensor);
  const problems: string[] = [];
  const modules: string[] = [];
  const problem = (module: string, text: string) => void (problems.push(text), modules.push(module));
  const weights = new Map<string, FittedPair>();
  const biases = new Map<string, AdapterPair>();
  for (const pair of adapter.pairs) {
    const name = weightOf(rename(pair.module), tensors);
    const tensor = name === null ? undefined : tensors.get(name);
    if (name === null || !tensor) {
      problem(pair.module, `${pair.module} is not there`);
      continue;
    }
    const fitted = lay(pair, tensor.shape, tensor.elements, adapter.config.fanInFanOut);
    if (!fitted) problem(pair.module, `${pair.module} is ${shapeText(tensor.shape)} but the adapter's is ${shapeText(sizeOf(pair))}`);
    else if (weights.has(name)) problem(pair.module, `${pair.module} shares its weights with ${weights.get(name)?.pair.module ?? "another"}, and the adapter changes both`);
    else weights.set(name, fitted);
    if (!pair.bias) continue;
    const bias = `${rename(pair.module)}.bias`;
    if (tensors.get(bias)?.elements === pair.bias.elements) biases.set(bias, pair);
    else problem(pair.module, `${pair.module} has no bias of ${pair.bias.elements} elements`);
  }
  if (problems.length > 0) {
    const more = problems.length > NAMED ? `, and ${problems.length - NAMED} more` : "";
    const told = adapter.config.base === null ? "" : ` It says it was trained on ${adapter.config.base.slice(0, 120)}.`;
    throw new LabError("shape-mismatch", `${adapter.name} is an adapter for another base than ${base.name}: ${problems.slice(0, NAMED).join("; ")}${more}.${told} Take that base, or an adapter for this one.`, {
      details: { adapter: adapter.name, base: base.name, modules },
    });
  }
  return { weights, biases, whole };
}

function weightOf(module: string, tensors: ReadonlyMap<string, unknown>): string | null {
  if (tensors.has(`${module}.weight`)) return `${module}.weight`;
  if (tensors.has(module)) return module;
  return (tied.test(module) && [...tensors.keys()].find((name) => table.test(name))) || null;
}

/** As the adapter sees the weight. */
function sizeOf({ a, b, embedding, rank }: AdapterPair): number[] {
  const into = a.elements / rank;
  const out = b.shape[0] ?? 0;
  return embedding ? [into, out] : [out, into];
}

function lay(pair: AdapterPair, shape: readonly number[], elements: number, fanInFanOut: boolean): FittedPair | null {
  const [first, second] = sizeOf(pair) as [number, number];
  const rows = shape[0] ?? 0;
  const columns = rows === 0 ? 0 : elements / rows;
  const straight = first === rows && second === columns;
  // Kernels of convolutions lie alike on both sides.
  const across = shape.length === 2 && pair.a.shape.length === 2 && first === columns && second === rows;
  const lengths = pair.magnitude?.elements;
  const fits = (out: number) => lengths === undefined || lengths === out;
  if (pair.embedding) return straight && shape.length === 2 && fits(columns) ? { pair, rows, columns, turned: true } : null;
  const turned = across && (!straight || fanInFanOut);
  return (straight || across) && fits(first) ? { pair, rows, columns, turned } : null;
}

/** A body alone and the same body under a head differ by one word in front ("bert.", "transformer."). */
function prefixBetween(modules: readonly string[], tensors: ReadonlyMap<string, unknown>): (name: string) => string {
  const met = (map: (name: string) => string) => modules.reduce((sum, module) => sum + Number(weightOf(map(module), tensors) !== null), 0);
  let best = (name: string) => name;
  let most = met(best);
  if (most === modules.length) return best;
  const fronts = new Set([...modules, ...tensors.keys()].map((name) => name.split(".")[0] ?? ""));
  for (const front of fronts) {
    for (const map of [(name: string) => `${front}.${name}`, (name: string) => (name.startsWith(`${front}.`) ? name.slice(front.length + 1) : name)]) {
      const count = met(map);
      if (count > most) [best, most] = [map, count];
    }
  }
  return best;
}
