/**
 * Which tensor of a checkpoint each weight of a graph is, told by their numbers: exporters rename, transpose and fuse weights, but the base's
 * graph and the base's checkpoint hold the same ones. Sums that survive transposing and rounding to halves find candidates; every match is
 * then compared number by number.
 */
import type { OnnxWeight } from "../../checkpoint/types.ts";
import type { WeightMap, MappedWeight } from "./weightMap.ts";
import { findPieces } from "./fused.ts";

/** One side of the comparison. */
export interface GraphValues {
  readonly weights: readonly OnnxWeight[];
  read(weight: number): Promise<Float32Array>;
}

export interface TensorFacts {
  readonly name: string;
  readonly shape: readonly number[];
  readonly elements: number;
  /** "F32", "F16", "BF16", "F64": others are no weights. */
  readonly dtype: string;
}

export interface CheckpointValues {
  readonly tensors: readonly TensorFacts[];
  readF32(name: string, from?: number, to?: number): Promise<Float32Array>;
}

export const isFloat = ({ dtype }: Pick<TensorFacts, "dtype">): boolean => dtype === "F32" || dtype === "F16" || dtype === "BF16" || dtype === "F64";

/** Half a step of the coarser of two types, and what is lost near zero: converters to halves lift the smallest numbers to 1e-7. */
export interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
}

const exact: Tolerance = { relative: 2 ** -21, absolute: 0 };
const steps: Readonly<Record<string, Tolerance>> = {
  float16: { relative: 2 ** -11, absolute: 1.2e-7 },
  F16: { relative: 2 ** -11, absolute: 1.2e-7 },
  bfloat16: { relative: 2 ** -8, absolute: 0 },
  BF16: { relative: 2 ** -8, absolute: 0 },
};

/** Numbers that both types hold are equal; only where the graph's type is coarser than the tensor's, or the other way, steps differ. */
export function toleranceOf(weight: string, tensor: string): Tolerance {
  const same = weight === "float16" ? "F16" : weight === "bfloat16" ? "BF16" : "";
  if (same === tensor) return exact;
  const [a, b] = [steps[weight] ?? exact, steps[tensor] ?? exact];
  return { relative: Math.max(a.relative, b.relative) * (1 + 2 ** -10), absolute: Math.max(a.absolute, b.absolute) };
}

interface Sums {
  readonly sum: number;
  readonly l1: number;
  readonly squares: number;
}

function sumsOf(values: Float32Array): Sums {
  let [sum, l1, squares] = [0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    sum += value;
    l1 += Math.abs(value);
    squares += value * value;
  }
  return { sum, l1, squares };
}

function near(a: Sums, b: Sums, elements: number, { relative, absolute }: Tolerance): boolean {
  const slack = 2 * relative * Math.max(a.l1, b.l1) + elements * absolute + 1e-9 * a.l1;
  return Math.abs(a.l1 - b.l1) <= slack && Math.abs(a.sum - b.sum) <= slack && Math.abs(a.squares - b.squares) <= 4 * relative * Math.max(a.squares, b.squares) + 1e-12;
}

const squeezed = (shape: readonly number[]): readonly number[] => shape.filter((dim) => dim !== 1);
/** The same for a tensor, its transpose, and the same with axes of one element. */
const shapeKey = (shape: readonly number[]): string => {
  const dims = squeezed(shape);
  return (dims.length === 2 ? [...dims].sort((a, b) => a - b) : dims).join("×");
};

/** Largest difference in steps of the tolerance: at most 1 is equal; null: they differ. */
export function apart(a: Float32Array, at: (i: number) => number, { relative, absolute }: Tolerance): number | null {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number, at(i)];
    if (x === y || (x !== x && y !== y)) continue;
    const steps = Math.abs(x - y) / (relative * Math.max(Math.abs(x), Math.abs(y)) + absolute);
    if (!(steps <= 1)) return null;
    if (steps > largest) largest = steps;
  }
  return largest;
}

interface Match {
  readonly tensor: TensorFacts;
  readonly transposed: boolean;
  readonly steps: number;
}

/** Reads each weight and tensor once for sums, once more for its match, and what is left over for fused ones. */
export async function alignByValue(graph: GraphValues, checkpoint: CheckpointValues): Promise<WeightMap> {
  const tensors = checkpoint.tensors.filter((tensor) => isFloat(tensor) && tensor.elements > 0);
  const byShape = new Map<string, { tensor: TensorFacts; sums: Sums }[]>();
  const wanted = new Set(graph.weights.map(({ shape }) => shapeKey(shape)));
  for (const tensor of tensors) {
    const key = shapeKey(tensor.shape);
    if (!wanted.has(key)) continue;
    const list = byShape.get(key) ?? [];
    byShape.set(key, list);
    list.push({ tensor, sums: sumsOf(await checkpoint.readF32(tensor.name)) });
  }
  const matches = new Map<number, readonly Match[]>();
  for (const weight of graph.weights) {
    if (weight.length === 0) continue;
    const values = await graph.read(weight.id);
    const sums = sumsOf(values);
    const candidates = (byShape.get(shapeKey(weight.shape)) ?? []).filter((one) => near(sums, one.sums, weight.length, toleranceOf(weight.dtype, one.tensor.dtype)));
    const found: Match[] = [];
    for (const { tensor } of candidates) {
      const match = compare(weight, values, tensor, await checkpoint.readF32(tensor.name));
      if (match) found.push(match);
    }
    const least = Math.min(...found.map(({ steps }) => steps));
    if (found.length > 0) matches.set(weight.id, found.filter(({ steps }) => steps === least));
  }
  const weights = settle(graph.weights, matches);
  const claimed = () => new Set(weights.flatMap((mapped) => mapped?.parts.flatMap((part) => [part.name, ...part.alike]) ?? []));
  const left = graph.weights.filter(({ id, length }) => weights[id] === null && length > 1);
  const pieces = await findPieces(graph, left, checkpoint, tensors.filter(({ name }) => !claimed().has(name)));
  for (const [id, mapped] of pieces) weights[id] = mapped;
  const used = claimed();
  return {
    weights,
    unmapped: graph.weights.filter(({ id }) => weights[id] === null).map(({ name, shape }) => ({ name, shape })),
    unused: tensors.filter(({ name }) => !used.has(name)).map(({ name, shape }) => ({ name, shape })),
  };
}

function compare(weight: OnnxWeight, values: Float32Array, tensor: TensorFacts, stored: Float32Array): Match | null {
  const tolerance = toleranceOf(weight.dtype, tensor.dtype);
  const [mine, theirs] = [squeezed(weight.shape), squeezed(tensor.shape)];
  if (mine.join() === theirs.join()) {
    const steps = apart(values, (i) => stored[i] as number, tolerance);
    if (steps !== null) return { tensor, transposed: false, steps };
  }
  const [rows, columns] = mine as [number, number];
  if (weight.shape.length !== 2 || tensor.shape.length !== 2 || mine.length !== 2 || theirs[0] !== columns || theirs[1] !== rows) return null;
  const steps = apart(values, (i) => stored[(i % columns) * rows + Math.floor(i / columns)] as number, tolerance);
  return steps === null ? null : { tensor, transposed: true, steps };
}

/**
 * Equal tensors (tied embeddings, the norms of a fresh model, biases of zeros) match several weights each. Names decide where they speak; what
 * nobody claims stays beside the one that was taken, to be compared again in every expert.
 */
function settle(weights: readonly OnnxWeight[], matches: ReadonlyMap<number, readonly Match[]>): (MappedWeight | null)[] {
  const chosen = new Map<number, Match>();
  const claimed = new Set<string>();
  const claim = (id: number, match: Match) => {
    chosen.set(id, match);
    claimed.add(match.tensor.name);
  };
  for (const { id, name } of weights) {
    const found = matches.get(id) ?? [];
    const told = found.length > 1 ? found.find(({ tensor }) => sameName(name, tensor.name)) : found[0];
    if (told) claim(id, told);
  }
  for (const { id } of weights) {
    const found = matches.get(id);
    if (!found || chosen.has(id)) continue;
    claim(id, found.find(({ tensor }) => !claimed.has(tensor.name)) ?? (found[0] as Match));
  }
  return weights.map(({ id }): MappedWeight | null => {
    const match = chosen.get(id);
    if (!match) return null;
    const found = matches.get(id) ?? [];
    // Claimed by name, or alone: certain. Else any of the equal ones may be meant.
    const certain = found.length === 1 || sameName(weights[id]?.name ?? "", match.tensor.name);
    const alike = found.map(({ tensor }) => tensor.name).filter((name) => name !== match.tensor.name && (!certain || !claimed.has(name)));
    return { parts: [{ name: match.tensor.name, transposed: match.transposed, lines: null, alike }], axis: 0 };
  });
}

/** Exporters keep a tensor's name, or put a word before it or leave one out. */
const sameName = (graph: string, tensor: string): boolean => graph === tensor || graph.endsWith(`.${tensor}`) || (graph.includes(".") && tensor.endsWith(`.${graph}`));
