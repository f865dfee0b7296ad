/** One TensorProto ↔ numbers: raw or typed data, inside the file or in a file beside it. */
import { bf16Array, f32FromBf16Array } from "../../lib/bf16.ts";
import { LabError } from "../../lib/error.ts";
import { f16Array, f32FromF16Array } from "../../lib/f16.ts";
import type { OnnxWeight } from "../types.ts";
import { DataType, type TensorProto, typeName } from "./proto.ts";

/** Bytes of a file beside the model (`model.onnx_data`), by path relative to it. */
export type External = (path: string) => Uint8Array;
export type FloatType = OnnxWeight["dtype"];

const bytesEach: Readonly<Record<number, number>> = {
  [DataType.float32]: 4, [DataType.uint8]: 1, [DataType.int8]: 1, [DataType.uint16]: 2, [DataType.int16]: 2, [DataType.int32]: 4,
  [DataType.int64]: 8, [DataType.bool]: 1, [DataType.float16]: 2, [DataType.float64]: 8, [DataType.uint32]: 4, [DataType.uint64]: 8,
  [DataType.bfloat16]: 2,
};
const RANK_MAX = 64;
/** What a Float32Array can hold in today's browsers. */
const ELEMENTS_MAX = 2 ** 31;

export const elementBytes = (type: number): number | undefined => bytesEach[type];

export const floatTypeOf = (tensor: TensorProto): FloatType | null => {
  const name = typeName(tensor.dataType);
  return name === "float32" || name === "float16" || name === "bfloat16" || name === "float64" ? name : null;
};

export function shapeOf(tensor: TensorProto, file: string): number[] {
  if (tensor.dims.length > RANK_MAX) throw new LabError("bad-onnx", `${file}: ${label(tensor)} has ${tensor.dims.length} dimensions.`);
  const shape = tensor.dims.map(Number);
  let length = 1;
  for (const d of shape) {
    length *= d;
    if (d < 0 || length > ELEMENTS_MAX) {
      throw new LabError("bad-onnx", `${file}: ${label(tensor)} has the impossible shape ${shape.join("×")}.`);
    }
  }
  return shape;
}

export const lengthOf = (shape: readonly number[]): number => shape.reduce((product, d) => product * d, 1);
export const isExternal = (tensor: TensorProto): boolean => tensor.dataLocation === 1n;

/** Path of the file a tensor lies in; a path that leaves the model's folder is refused. */
export function externalPath(tensor: TensorProto, file: string): string {
  const path = tensor.externalData.find((pair) => pair.key === "location")?.value ?? "";
  const parts = path.split(/[/\\]/);
  if (path === "" || /^[/\\]|^[a-zA-Z][a-zA-Z0-9+.-]*:|\0/.test(path) || parts.includes("..")) {
    throw new LabError("bad-onnx", `${file}: ${label(tensor)} points to "${path.slice(0, 200)}" outside the model's own folder. Such a file is not read.`, {
      details: { tensor: tensor.name, path },
    });
  }
  return parts.filter((part) => part !== "." && part !== "").join("/");
}

/** The tensor's elements as they lie in memory (little-endian); a view where possible. Length is checked. */
export function rawBytes(tensor: TensorProto, file: string, external?: External): Uint8Array {
  const shape = shapeOf(tensor, file);
  const type = Number(tensor.dataType ?? 0n);
  const size = bytesEach[type];
  if (size === undefined) {
    throw new LabError("unsupported-onnx", `${file}: ${label(tensor)} holds ${typeName(tensor.dataType)} values, which are not read here.`);
  }
  const wants = lengthOf(shape) * size;
  const bytes = isExternal(tensor) ? fromExternal(tensor, wants, file, external) : (tensor.rawData ?? typedBytes(tensor, type, size));
  if (bytes.length !== wants) {
    throw new LabError("bad-onnx", `${file}: ${label(tensor)} of shape ${shape.join("×")} needs ${wants} bytes but has ${bytes.length}. The file may be cut short; download it again.`);
  }
  return bytes;
}

function fromExternal(tensor: TensorProto, wants: number, file: string, external?: External): Uint8Array {
  const path = externalPath(tensor, file);
  const number = (key: string, otherwise: number): number => {
    const value = tensor.externalData.find((pair) => pair.key === key)?.value;
    if (value === undefined) return otherwise;
    if (!/^\d{1,15}$/.test(value)) throw new LabError("bad-onnx", `${file}: ${label(tensor)} has the ${key} "${value.slice(0, 40)}".`);
    return Number(value);
  };
  if (!external) throw new LabError("not-found", `${file} keeps its weights in ${path}, which is missing. Put both files into the same folder.`);
  const bytes = external(path);
  const offset = number("offset", 0);
  const length = number("length", wants);
  if (offset + length > bytes.length) {
    throw new LabError("bad-onnx", `${file}: ${label(tensor)} lies at bytes ${offset}–${offset + length} of ${path}, which has ${bytes.length}. That file may be cut short; download it again.`);
  }
  return bytes.subarray(offset, offset + length);
}

/** float_data, int32_data (also halves and bytes), int64_data, double_data, uint64_data → memory layout. */
function typedBytes(tensor: TensorProto, type: number, size: number): Uint8Array {
  if (type === DataType.float32) return joined(tensor.floatData);
  if (type === DataType.float64) return joined(tensor.doubleData);
  const varints = joined(type === DataType.int64 ? tensor.int64Data : type === DataType.uint64 || type === DataType.uint32 ? tensor.uint64Data : tensor.int32Data);
  let count = 0;
  for (const byte of varints) if (byte < 128) count++;
  const out = new Uint8Array(count * size);
  for (let at = 0, i = 0; i < count; i++) {
    let value = 0n;
    let shift = 0n;
    for (let byte = 128; byte >= 128; shift += 7n) {
      byte = varints[at++] as number;
      value |= BigInt(byte & 127) << shift;
    }
    for (let b = 0; b < size; b++, value >>= 8n) out[i * size + b] = Number(value & 255n);
  }
  return out;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  if (chunks.length === 1) return chunks[0] as Uint8Array;
  const out = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}

/** Weights as f32, a copy. */
export function floats(tensor: TensorProto, file: string, external?: External): Float32Array {
  const { buffer } = rawBytes(tensor, file, external).slice(); // aligned, and ours to transfer
  switch (floatTypeOf(tensor)) {
    case "float32":
      return new Float32Array(buffer);
    case "float16":
      return f32FromF16Array(new Uint16Array(buffer));
    case "bfloat16":
      return f32FromBf16Array(new Uint16Array(buffer));
    case "float64":
      return Float32Array.from(new Float64Array(buffer));
    default:
      throw new LabError("internal", `${label(tensor)} is not a floating tensor.`);
  }
}

/** f32 rounded to a stored type, little-endian. */
export function packFloats(values: Float32Array, dtype: FloatType): Uint8Array {
  if (dtype === "float32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (dtype === "float64") return new Uint8Array(Float64Array.from(values).buffer);
  return new Uint8Array((dtype === "float16" ? f16Array(values) : bf16Array(values)).buffer);
}

const label = (tensor: TensorProto): string => (tensor.name ? `the tensor "${tensor.name.slice(0, 120)}"` : "a tensor without a name");
