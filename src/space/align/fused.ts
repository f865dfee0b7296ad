/** Weights that are no whole tensor: several laid side by side (fused q, k and v), or some lines of one (a fused one taken apart). */
import type { OnnxWeight } from "../../checkpoint/types.ts";
import { apart, type CheckpointValues, type GraphValues, type TensorFacts, toleranceOf } from "./byValue.ts";
import type { MappedWeight, WeightPart } from "./weightMap.ts";

/** Numbers compared before a whole block is. */
const GLANCE = 8;

/** Elements of a matrix by row and column; a vector is one column. */
interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly at: (row: number, column: number) => number;
}

/** By weight: what it is made of, where that was found. Tensors in `left` are each in one weight only, unless it takes lines of them. */
export async function findPieces(graph: GraphValues, weights: readonly OnnxWeight[], checkpoint: CheckpointValues, left: readonly TensorFacts[]): Promise<Map<number, MappedWeight>> {
  const found = new Map<number, MappedWeight>();
  const free = new Set(left.filter(({ shape }) => shape.length === 1 || shape.length === 2));
  const cut = new Set<TensorFacts>();
  for (const weight of weights) {
    if (weight.shape.length !== 1 && weight.shape.length !== 2) continue;
    if (free.size === 0) break;
    const values = await graph.read(weight.id);
    const whole = await fusedOf(weight, values, checkpoint, [...free].filter((tensor) => !cut.has(tensor)));
    if (whole) {
      found.set(weight.id, { parts: whole.parts, axis: whole.axis });
      for (const tensor of whole.tensors) free.delete(tensor);
      continue;
    }
    const some = await linesOf(weight, values, checkpoint, [...free]);
    if (!some) continue;
    found.set(weight.id, { parts: [some.part], axis: some.axis });
    cut.add(some.tensor);
  }
  return found;
}

const axesOf = ({ shape }: Pick<OnnxWeight, "shape">): readonly (0 | 1)[] => (shape.length === 2 ? [0, 1] : [0]);
const size = (shape: readonly number[]): [number, number] => [shape[0] ?? 1, shape[1] ?? 1];
const across = <T>([a, b]: readonly [T, T]): [T, T] => [b, a];

async function fusedOf(weight: OnnxWeight, values: Float32Array, checkpoint: CheckpointValues, free: readonly TensorFacts[]) {
  const whole = matrix(values, weight.shape, false);
  for (const axis of axesOf(weight)) {
    const extent = size(weight.shape)[axis];
    const parts: WeightPart[] = [];
    const tensors: TensorFacts[] = [];
    let at = 0;
    while (at < extent) {
      const next = await blockAt(whole, axis, at, weight, checkpoint, free.filter((tensor) => !tensors.includes(tensor)));
      if (!next) break;
      parts.push({ name: next.tensor.name, transposed: next.transposed, lines: null, alike: [] });
      tensors.push(next.tensor);
      at += next.lines;
    }
    if (at === extent && parts.length > 1) return { parts, tensors, axis };
  }
  return null;
}

/** The tensor that begins at line `at`. */
async function blockAt(whole: Matrix, axis: 0 | 1, at: number, weight: OnnxWeight, checkpoint: CheckpointValues, free: readonly TensorFacts[]) {
  const [extent, width] = axis === 0 ? [whole.rows, whole.columns] : [whole.columns, whole.rows];
  for (const tensor of free) {
    if (tensor.shape.length !== weight.shape.length) continue;
    for (const transposed of tensor.shape.length === 2 ? [false, true] : [false]) {
      const sides = transposed ? across(size(tensor.shape)) : size(tensor.shape);
      const [lines, theirs] = axis === 0 ? sides : across(sides);
      if (theirs !== width || at + lines > extent) continue;
      const tolerance = toleranceOf(weight.dtype, tensor.dtype);
      const block = (row: number, column: number) => (axis === 0 ? whole.at(at + row, column) : whole.at(row, at + column));
      const first = await checkpoint.readF32(tensor.name, 0, Math.min(GLANCE, size(tensor.shape)[1]));
      if (apart(first, (i) => (transposed ? block(i, 0) : block(0, i)), tolerance) === null) continue;
      const stored = await checkpoint.readF32(tensor.name);
      const columns = size(tensor.shape)[1];
      const same = (i: number) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        return transposed ? block(column, row) : block(row, column);
      };
      if (apart(stored, same, tolerance) !== null) return { tensor, transposed, lines };
    }
  }
  return null;
}

async function linesOf(weight: OnnxWeight, values: Float32Array, checkpoint: CheckpointValues, free: readonly TensorFacts[]) {
  for (const tensor of free) {
    if (tensor.shape.length !== weight.shape.length || tensor.elements <= weight.length) continue;
    const tolerance = toleranceOf(weight.dtype, tensor.dtype);
    let stored: Float32Array | null = null;
    for (const axis of axesOf(weight)) {
      for (const transposed of tensor.shape.length === 2 ? [false, true] : [false]) {
        const sides = transposed ? across(size(tensor.shape)) : size(tensor.shape);
        const [extent, theirs] = axis === 0 ? sides : across(sides);
        const [lines, width] = axis === 0 ? size(weight.shape) : across(size(weight.shape));
        if (theirs !== width || lines > extent) continue;
        stored ??= await checkpoint.readF32(tensor.name);
        const whole = matrix(stored, tensor.shape, transposed);
        const columns = size(weight.shape)[1];
        for (let at = 0; at + lines <= extent; at++) {
          const same = (i: number) => {
            const [row, column] = [Math.floor(i / columns), i % columns];
            return axis === 0 ? whole.at(at + row, column) : whole.at(row, at + column);
          };
          if (apart(values.subarray(0, GLANCE), same, tolerance) === null || apart(values, same, tolerance) === null) continue;
          return { tensor, axis, part: { name: tensor.name, transposed, lines: [at, at + lines] as const, alike: [] } };
        }
      }
    }
  }
  return null;
}

function matrix(values: Float32Array, shape: readonly number[], transposed: boolean): Matrix {
  const [rows, columns] = size(shape);
  if (transposed) return { rows: columns, columns: rows, at: (row, column) => values[column * columns + row] as number };
  return { rows, columns, at: (row, column) => values[row * columns + column] as number };
}
