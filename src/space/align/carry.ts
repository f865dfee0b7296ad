/**
 * A graph's weights from another checkpoint of the same family: the map that was found between the base's graph and the base's checkpoint says
 * where each expert's tensors go. What cannot be placed is told, never guessed.
 */
import { type LowRank, transposed as turnedOver, turned } from "../../checkpoint/lora/factors.ts";
import type { OnnxSkeleton, OnnxWeight } from "../../checkpoint/types.ts";
import { LabError } from "../../lib/error.ts";
import { list } from "../../lib/words.ts";
import { toGraph } from "../transpose.ts";
import { type CheckpointValues, type GraphValues, isFloat, type TensorFacts } from "./byValue.ts";
import type { MappedWeight, NamedShape, WeightMap, WeightPart } from "./weightMap.ts";

export interface Carrier {
  /** For messages: the base and the expert as a person knows them. */
  readonly base: string;
  readonly model: string;
  readonly graph: GraphValues & { readonly skeleton: OnnxSkeleton };
  readonly map: WeightMap;
  /** The checkpoint the map was found with; null where it was told by names. */
  readonly from: CheckpointValues | null;
  readonly to: CheckpointValues;
}

export interface CarriedModel {
  /** The base's graph with the expert's shapes (a head of its own may have other ones). */
  readonly skeleton: OnnxSkeleton;
  read(weight: number): Promise<Float32Array>;
  /** What each weight is made of, by the expert's own names; null: the graph's own numbers. */
  readonly map: readonly (MappedWeight | null)[];
  readonly notes: readonly string[];
}

const NAMED = 3;
/** A fused or folded tensor is at most so many times as large as what it was made of. */
const FUSED_MOST = 8;

export async function carryOver({ base, model, graph, map, from, to }: Carrier): Promise<CarriedModel> {
  const theirs = new Map(to.tensors.map((tensor) => [tensor.name, tensor]));
  const ours = new Map(from?.tensors.map((tensor) => [tensor.name, tensor]));
  const rename = renaming(map, theirs);
  const own = map.weights.map((mapped) => mapped && { ...mapped, parts: mapped.parts.map((part) => ({ ...part, name: rename(part.name) })) });
  const problems: NamedShape[] = [];
  const weights = graph.weights.map((weight): OnnxWeight => {
    const mapped = own[weight.id];
    if (!mapped) return weight;
    const before = map.weights[weight.id]?.parts[0];
    const shape = shapeOf(weight, mapped, theirs, before && ours.get(before.name)?.shape);
    if (shape) return shape.join() === weight.shape.join() ? weight : { ...weight, shape, length: shape.reduce((a, b) => a * b, 1) };
    const lacking = mapped.parts.find(({ name }) => !theirs.has(name)) ?? mapped.parts[0];
    problems.push({ name: lacking?.name ?? weight.name, shape: (before && ours.get(before.name)?.shape) ?? weight.shape });
    return weight;
  });
  if (problems.length > 0) throw doesNotFit(problems, theirs, base, model, graph.weights.length);
  await checkAlike(map, rename, to, theirs, model);
  if (from) await checkOwn(map, rename, from, to, theirs, { base, model });
  // Single numbers are an exporter's constants.
  const kept = map.unmapped.filter(({ shape }) => shape.reduce((a, b) => a * b, 1) > 1);
  const notes = kept.length === 0 ? [] : [`${kept.length} of ${graph.weights.length} weights of the graph are in no tensor of ${base} (${names(kept)}); ${model} takes them from the graph as they are.`];
  return {
    skeleton: { ...graph.skeleton, weights },
    map: own,
    notes,
    async read(id) {
      const [weight, mapped] = [weights[id], own[id]];
      if (!weight || !mapped) return graph.read(id);
      return assemble(weight, mapped, to, theirs);
    },
  };
}

/** A body alone and the same body under a head differ by one word in front ("bert."). */
function renaming(map: WeightMap, theirs: ReadonlyMap<string, unknown>): (name: string) => string {
  const wanted = map.weights.flatMap((mapped) => mapped?.parts.map(({ name }) => name) ?? []);
  const met = (rename: (name: string) => string) => wanted.filter((name) => theirs.has(rename(name))).length;
  let best = (name: string) => name;
  let most = met(best);
  if (most > wanted.length / 2) return best;
  for (const front of new Set([...wanted, ...theirs.keys()].map((name) => name.split(".")[0] ?? ""))) {
    for (const rename of [(name: string) => `${front}.${name}`, (name: string) => (name.startsWith(`${front}.`) ? name.slice(front.length + 1) : name)]) {
      const count = met(rename);
      if (count > most) [best, most] = [(name: string) => (theirs.has(rename(name)) ? rename(name) : name), count];
    }
  }
  return best;
}

/** The weight's shape with the expert's tensors; null: they cannot stand there. A whole tensor of another size may be a head: aligning decides. */
function shapeOf(weight: OnnxWeight, { parts, axis }: MappedWeight, theirs: ReadonlyMap<string, TensorFacts>, before: readonly number[] | undefined): readonly number[] | null {
  const tensors = parts.map(({ name }) => theirs.get(name));
  if (tensors.some((tensor) => !tensor || !isFloat(tensor))) return null;
  const [part] = parts as [WeightPart];
  const [tensor] = tensors as [TensorFacts];
  if (parts.length === 1 && part.lines === null) {
    if (tensor.elements === weight.length && (before === undefined || before.join() === tensor.shape.join())) return weight.shape;
    const shape = part.transposed ? [...tensor.shape].reverse() : tensor.shape;
    return shape.length === weight.shape.length ? shape : null;
  }
  const lines = parts.map(({ transposed, lines }, i) => {
    const [a = 1, b = 1] = (tensors[i] as TensorFacts).shape;
    const [along, width] = (axis === 0) === transposed ? [b, a] : [a, b];
    const fits = width === ((axis === 0 ? weight.shape[1] : weight.shape[0]) ?? 1);
    return !fits ? NaN : lines === null ? along : lines[1] <= along ? lines[1] - lines[0] : NaN;
  });
  return lines.reduce((sum, n) => sum + n, 0) === weight.shape[axis] ? weight.shape : null;
}

function doesNotFit(problems: readonly NamedShape[], theirs: ReadonlyMap<string, TensorFacts>, base: string, model: string, weights: number): LabError {
  const told = problems.slice(0, NAMED).map(({ name, shape }) => {
    const there = theirs.get(name);
    return there ? `${name} is ${there.shape.join("×")} there but ${shape.join("×")} in ${base}` : `${name} (${shape.join("×")}) is not there`;
  });
  const more = problems.length > NAMED ? `, and ${problems.length - NAMED} more` : "";
  return new LabError("shape-mismatch", `The weights of ${model} do not fit the graph of ${base}: ${told.join("; ")}${more}. ${weights - problems.length} of ${weights} fit; take an expert that was fine-tuned from ${base}.`, {
    details: { model, base, differ: problems },
  });
}

/** The graph keeps one weight where the base had several equal tensors: in the expert they must be equal too. */
async function checkAlike(map: WeightMap, rename: (name: string) => string, to: CheckpointValues, theirs: ReadonlyMap<string, unknown>, model: string): Promise<void> {
  for (const part of map.weights.flatMap((mapped) => mapped?.parts ?? [])) {
    const [first, others] = [rename(part.name), part.alike.map(rename).filter((name) => theirs.has(name))];
    if (others.length === 0) continue;
    const values = await to.readF32(first);
    for (const other of others) {
      if (same(values, await to.readF32(other))) continue;
      throw new LabError("graph-mismatch", `${first} and ${other} are equal in the base, so the graph keeps them as one weight, but they differ in ${model}. Export the graph from a model in which they differ (that of an expert will do) and take it as the base's.`, {
        details: { model, tensors: [first, other] },
      });
    }
  }
}

/** Weights the graph made itself (folded, rescaled) would be the base's in the expert as well: refused where what they may be made of was trained. */
async function checkOwn(map: WeightMap, rename: (name: string) => string, from: CheckpointValues, to: CheckpointValues, theirs: ReadonlyMap<string, TensorFacts>, told: { base: string; model: string }): Promise<void> {
  const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  const source = (weight: NamedShape, tensor: NamedShape) => {
    const [large, small] = [count(weight.shape), count(tensor.shape)].sort((a, b) => b - a) as [number, number];
    return small > 1 && large % small === 0 && large / small <= FUSED_MOST;
  };
  const trained: NamedShape[] = [];
  for (const tensor of map.unused) {
    if (!map.unmapped.some((weight) => source(weight, tensor))) continue;
    const there = theirs.get(rename(tensor.name));
    if (there && !(there.elements === count(tensor.shape) && same(await from.readF32(tensor.name), await to.readF32(there.name)))) trained.push(tensor);
  }
  if (trained.length === 0) return;
  throw new LabError("graph-mismatch", `The graph of ${told.base} holds weights that are in none of its tensors (${names(map.unmapped)}), and ${told.model} changed tensors that no weight of the graph is made of (${names(trained)}): the export seems to have folded them together. Export the graph again without optimisation (optimum-cli export onnx).`, {
    details: { ...told, unmapped: map.unmapped, changed: trained },
  });
}

async function assemble(weight: OnnxWeight, { parts, axis }: MappedWeight, to: CheckpointValues, theirs: ReadonlyMap<string, TensorFacts>): Promise<Float32Array> {
  const [rows, columns] = [weight.shape[0] ?? 1, weight.length / (weight.shape[0] || 1)];
  const out = new Float32Array(weight.length);
  let at = 0;
  for (const { name, transposed, lines } of parts) {
    const { shape } = theirs.get(name) as TensorFacts; // checked when it was carried over
    const stored = await to.readF32(name);
    const laid = transposed ? toGraph({ shape: [...shape].reverse(), transposed }, stored) : stored;
    if (parts.length === 1 && lines === null) return laid.slice();
    const wide = axis === 0 ? columns : laid.length / rows;
    const [first, end] = lines ?? [0, axis === 0 ? laid.length / wide : wide];
    if (axis === 0) out.set(laid.subarray(first * wide, end * wide), at * wide);
    else for (let row = 0; row < rows; row++) out.set(laid.subarray(row * wide + first, row * wide + end), row * columns + at);
    at += end - first;
  }
  return out;
}

/** A checkpoint with an adapter on it, as far as factors go. */
export interface Adapted {
  shape(name: string): readonly number[];
  /** "none": left alone; null: changed otherwise. */
  lowRank(name: string): Promise<LowRank | "none" | null>;
}

/** What an adapter's factors add to a weight, in the graph's layout: of rank 0 where it leaves all parts alone; null: no product of factors. */
export async function carriedFactors(weight: Pick<OnnxWeight, "shape" | "length">, mapped: MappedWeight | null, adapted: Adapted): Promise<LowRank | null> {
  const rows = weight.shape[0] ?? 1;
  const columns = rows === 0 ? 0 : weight.length / rows;
  const blocks: { low: LowRank; at: number }[] = [];
  let at = 0;
  for (const { name, transposed, lines } of mapped?.parts ?? []) {
    const change = await adapted.lowRank(name);
    if (change === null) return null;
    const axis = mapped?.axis ?? 0;
    if (change !== "none") {
      const laid = transposed ? turnedOver(change) : change;
      blocks.push({ low: lines === null ? laid : cut(laid, axis, lines), at });
    }
    const [a = 1, b = 1] = adapted.shape(name);
    at += lines === null ? ((axis === 0) === transposed ? b : a) : lines[1] - lines[0];
  }
  const [only] = blocks;
  if (!only) return { rows, columns, rank: 0, scale: 1, left: new Float32Array(0), right: new Float32Array(0) };
  if (blocks.length === 1 && mapped?.parts.length === 1) return only.low.rows === rows && only.low.columns === columns ? only.low : null;
  return beside(blocks, mapped?.axis ?? 0, rows, columns);
}

function cut(low: LowRank, axis: 0 | 1, [first, end]: readonly [number, number]): LowRank {
  if (axis === 0) return { ...low, rows: end - first, left: low.left.slice(first * low.rank, end * low.rank) };
  const across = turned(low.right, low.rank, low.columns).slice(first * low.rank, end * low.rank);
  return { ...low, columns: end - first, right: turned(across, end - first, low.rank) };
}

/** Factors of tensors side by side: their ranks add up, each is zero where another stands. */
function beside(blocks: readonly { low: LowRank; at: number }[], axis: 0 | 1, rows: number, columns: number): LowRank {
  const rank = blocks.reduce((sum, { low }) => sum + low.rank, 0);
  const [left, right] = [new Float32Array(rows * rank), new Float32Array(rank * columns)];
  let first = 0;
  for (const { low, at } of blocks) {
    const [down, over] = axis === 0 ? [at, 0] : [0, at];
    for (let row = 0; row < low.rows; row++) {
      for (let k = 0; k < low.rank; k++) left[(down + row) * rank + first + k] = low.scale * (low.left[row * low.rank + k] as number);
    }
    for (let k = 0; k < low.rank; k++) right.set(low.right.subarray(k * low.columns, (k + 1) * low.columns), (first + k) * columns + over);
    first += low.rank;
  }
  return { rows, columns, rank, scale: 1, left, right };
}

const same = (a: Float32Array, b: Float32Array): boolean => a.length === b.length && a.every((value, i) => Object.is(value, b[i]) || value === b[i]);
const names = (tensors: readonly NamedShape[]): string => list([...tensors.slice(0, NAMED).map(({ name, shape }) => `${name} ${shape.join("×")}`), ...(tensors.length > NAMED ? [`${tensors.length - NAMED} more`] : [])]);
