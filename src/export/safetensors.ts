/**
 * A merged model as the checkpoint its family is trained from: weights under their names in `model.safetensors`, turned and taken apart as the
 * graph had turned and fused them. Tensors that the graph does not use (a pooler, buffers) are the base's.
 */
import { type Dtype, isDtype } from "../checkpoint/safetensors/dtype.ts";
import { memorySinks } from "../checkpoint/safetensors/sink.ts";
import { SafetensorsWriter } from "../checkpoint/safetensors/write.ts";
import type { Alignment } from "../checkpoint/types.ts";
import { LabError } from "../lib/error.ts";
import { toCheckpoint } from "../space/transpose.ts";
import type { MappedWeight, WeightMap } from "../space/align/weightMap.ts";
import type { Fill, StoredAs } from "./bake.ts";

/** The base's checkpoint, and where its tensors stand in the graph. */
export interface BaseCheckpoint {
  readonly map: WeightMap;
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: string }[];
  /** A tensor of the base as it is stored. */
  stored(name: string): Promise<Uint8Array>;
}

interface Out {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly values: Float32Array | Uint8Array;
}

const names: Readonly<Record<string, Dtype>> = { float32: "F32", float16: "F16", bfloat16: "BF16", float64: "F64" };

/** `fills`: by input of the lifted graph, as for an ONNX file; `base`: the base's id in the alignment. */
export async function safetensorsFiles(alignment: Alignment, base: string, fills: ReadonlyMap<string, Fill>, checkpoint: BaseCheckpoint, dtype: StoredAs): Promise<{ path: string; bytes: Uint8Array }[]> {
  const shapes = new Map(checkpoint.tensors.map((tensor) => [tensor.name, tensor]));
  const out = new Map<string, Out>();
  const typeOf = (name: string, fill: Fill): Dtype => {
    const own = shapes.get(name)?.dtype ?? "F32";
    return (dtype === "keep" ? (isDtype(own) ? own : null) : names[dtype]) ?? names[fill.dtype] ?? "F32";
  };
  const put = (name: string, one: Out) => {
    const before = out.get(name);
    if (before && !(before.values.length === one.values.length && before.values.every((value, i) => Object.is(value, one.values[i])))) {
      throw new LabError("graph-mismatch", `The merged model has two different ${name}: the base's checkpoint keeps once what the models' graphs keep apart. Take the ONNX files.`, { details: { tensor: name } });
    }
    out.set(name, one);
  };
  const fused = new Map<string, Out & { values: Float32Array }>();
  const place = async (weight: number | undefined, input: string) => {
    const [mapped, fill] = [weight === undefined ? null : checkpoint.map.weights[weight], fills.get(input)];
    if (!mapped || !fill) return;
    for (const { name, shape, values, lines } of pieces(mapped, fill, shapes)) {
      const one: Out & { values: Float32Array } = { shape, values, dtype: typeOf(name, fill) };
      if (lines === null) {
        for (const same of [name, ...(mapped.parts.find((part) => part.name === name)?.alike ?? [])]) put(same, one);
        continue;
      }
      const whole = fused.get(name) ?? { ...one, shape: shapes.get(name)?.shape ?? [], values: new Float32Array(count(shapes.get(name)?.shape ?? [])).fill(NaN) };
      lines(whole.values);
      fused.set(name, whole);
    }
  };
  for (const { inputs, weight } of alignment.segments) await place(weight[base], inputs[0] ?? "");
  for (const { input, of } of alignment.heads) await place(of[base]?.weight, input);
  for (const [name, one] of fused) {
    if (one.values.some(Number.isNaN)) throw new LabError("graph-mismatch", `Only parts of ${name} are in the graph, so it cannot be written whole. Take the ONNX files.`, { details: { tensor: name } });
    put(name, one);
  }
  for (const { name, shape, dtype: own } of checkpoint.tensors) {
    if (!out.has(name) && isDtype(own)) out.set(name, { shape, dtype: own, values: await checkpoint.stored(name) });
  }
  return written(out);
}

const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

interface Piece {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
  /** Where the tensor is only in part in the weight: writes that part. */
  readonly lines: ((whole: Float32Array) => void) | null;
}

function* pieces({ parts, axis }: MappedWeight, { data, shape }: Fill, shapes: ReadonlyMap<string, { readonly shape: readonly number[] }>): Generator<Piece> {
  const [rows, columns] = [shape[0] ?? 1, data.length / (shape[0] || 1)];
  let at = 0;
  for (const { name, transposed, lines } of parts) {
    const own = shapes.get(name)?.shape ?? shape;
    if (parts.length === 1 && lines === null) {
      const turned = transposed ? [...shape].reverse() : shape;
      yield { name, shape: count(own) === data.length ? own : turned, values: toCheckpoint({ shape, transposed }, data), lines: null };
      return;
    }
    const [a = 1, b = 1] = own;
    const extent = lines ? lines[1] - lines[0] : (axis === 0) === transposed ? b : a;
    const [down, over] = axis === 0 ? [extent, columns] : [rows, extent];
    const block = new Float32Array(down * over);
    for (let row = 0; row < down; row++) {
      const from = axis === 0 ? (at + row) * columns : row * columns + at;
      block.set(data.subarray(from, from + over), row * over);
    }
    at += extent;
    const values = toCheckpoint({ shape: [down, over], transposed }, block);
    if (lines === null) yield { name, shape: own, values, lines: null };
    // Lines of the tensor as it stands in the weight are its rows or its columns.
    else yield { name, shape: own, values, lines: (whole) => putLines(whole, own, values, (axis === 0) !== transposed ? "rows" : "columns", lines[0], extent) };
  }
}

function putLines(whole: Float32Array, shape: readonly number[], values: Float32Array, what: "rows" | "columns", first: number, extent: number): void {
  const columns = count(shape) / (shape[0] || 1);
  if (what === "rows") whole.set(values, first * columns);
  else for (let row = 0; row * extent < values.length; row++) whole.set(values.subarray(row * extent, (row + 1) * extent), row * columns + first);
}

async function written(tensors: ReadonlyMap<string, Out>): Promise<{ path: string; bytes: Uint8Array }[]> {
  const sinks = memorySinks();
  const writer = new SafetensorsWriter([...tensors].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, { shape, dtype }]) => ({ name, shape, dtype })), { open: sinks.open });
  for (const { name } of writer.tensors) {
    const values = tensors.get(name)?.values;
    if (values) await writer.write(name, values);
  }
  await writer.finish();
  return [...sinks.files].map(([path, bytes]) => ({ path, bytes }));
}
