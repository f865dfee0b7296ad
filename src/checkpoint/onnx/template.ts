/**
 * A lifted graph as a model file with room for its weights: baking a candidate is copying its numbers to their places, nothing is encoded anew.
 * In protobuf a message may come in pieces that are merged: first the graph as it is, then a graph of nothing but initializers.
 */
import { LabError } from "../../lib/error.ts";
import { DataType, decodeModel, encodeModel } from "./proto.ts";

export interface TemplateWeight {
  /** Input of the lifted graph. */
  readonly name: string;
  readonly shape: readonly number[];
}

export interface Template {
  /** The whole file; what `fill` wrote last is in it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Writes the weight that was given at this position; f32, little-endian, as ONNX stores them. */
  fill(weight: number, values: Float32Array): void;
}

/** Throws "out-of-memory" where the browser gives no array of that size. */
export function templateOf(graph: Uint8Array, weights: readonly TemplateWeight[]): Template {
  const model = decodeModel(graph, "the lifted graph");
  if (!model.graph) throw new LabError("internal", "The lifted graph is empty.");
  const filled = new Set(weights.map(({ name }) => name));
  model.graph.input = model.graph.input.filter(({ name }) => !filled.has(name ?? ""));
  const body = encodeModel(model);
  const heads = weights.map(({ name, shape }) => tensorHead(name, shape));
  const elements = weights.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  const sizes = heads.map((head, i) => head.length + 4 * (elements[i] as number));
  const tags = sizes.map((size) => [field(5), ...varint(size)]);
  const content = sizes.reduce((sum, size, i) => sum + size + (tags[i] as number[]).length, 0);
  const opening = [field(7), ...varint(content)];
  const bytes = allocated(body.length + opening.length + content);
  bytes.set(body);
  let at = body.length;
  const put = (part: ArrayLike<number>) => {
    bytes.set(part, at);
    at += part.length;
  };
  put(opening);
  const places = weights.map((_, i) => {
    put(tags[i] as number[]);
    put(heads[i] as number[]);
    const place = at;
    at += 4 * (elements[i] as number);
    return place;
  });
  return {
    bytes,
    fill(weight, values) {
      const place = places[weight];
      if (place === undefined || values.length !== elements[weight]) throw new LabError("internal", `A weight of ${values.length} numbers was put where ${elements[weight] ?? 0} belong.`);
      bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), place);
    },
  };
}

/** TensorProto up to and with the length of its raw data. */
function tensorHead(name: string, shape: readonly number[]): number[] {
  const text = [...new TextEncoder().encode(name)];
  const dims = shape.flatMap((size) => [1 << 3, ...varint(size)]);
  const bytes = 4 * shape.reduce((a, b) => a * b, 1);
  return [...dims, 2 << 3, DataType.float32, field(8), ...varint(text.length), ...text, field(9), ...varint(bytes)];
}

/** Tag of a field that has a length. */
const field = (number: number): number => (number << 3) | 2;

function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  out.push(rest);
  return out;
}

function allocated(length: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new LabError("out-of-memory", `A model file of ${(length / 1e9).toFixed(1)} GB is more than this browser gives one array.`, { cause });
  }
}
