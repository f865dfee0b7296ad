/**
 * The messages of ONNX that reading, lifting and writing need (onnx/onnx.proto; the numbers are the format).
 * What is not listed here is carried along untouched, see `wire.ts`.
 */
import { decodeMessage } from "./decode.ts";
import { encodeMessage } from "./encode.ts";
import { type Message, schema, type Schema } from "./wire.ts";

export interface ModelProto extends Message {
  irVersion?: bigint;
  graph?: GraphProto;
  opsetImport: OperatorSet[];
  functions: Uint8Array[];
}

export interface OperatorSet extends Message {
  domain?: string;
  version?: bigint;
}

export interface GraphProto extends Message {
  node: NodeProto[];
  name?: string;
  initializer: TensorProto[];
  sparseInitializer: Uint8Array[];
  input: ValueInfo[];
  output: ValueInfo[];
  valueInfo: ValueInfo[];
  /** Quantisation notes: kept by no one who changes weights. */
  quantizationAnnotation: Uint8Array[];
}

export interface NodeProto extends Message {
  input: string[];
  output: string[];
  name?: string;
  opType?: string;
  domain?: string;
  attribute: AttributeProto[];
}

export interface AttributeProto extends Message {
  name?: string;
  type?: bigint;
  f?: number;
  i?: bigint;
  s?: Uint8Array;
  t?: TensorProto;
  g?: GraphProto;
  floats: number[];
  ints: bigint[];
  strings: Uint8Array[];
  tensors: TensorProto[];
  graphs: GraphProto[];
}

export interface TensorProto extends Message {
  dims: bigint[];
  dataType?: bigint;
  name?: string;
  floatData: Uint8Array[];
  int32Data: Uint8Array[];
  int64Data: Uint8Array[];
  doubleData: Uint8Array[];
  uint64Data: Uint8Array[];
  stringData: Uint8Array[];
  rawData?: Uint8Array;
  externalData: StringPair[];
  dataLocation?: bigint;
}

export interface StringPair extends Message {
  key?: string;
  value?: string;
}

export interface ValueInfo extends Message {
  name?: string;
  type?: TypeProto;
}

export interface TypeProto extends Message {
  tensorType?: TensorType;
}

export interface TensorType extends Message {
  elemType?: bigint;
  shape?: ShapeProto;
}

export interface ShapeProto extends Message {
  dim: Dimension[];
}

export interface Dimension extends Message {
  dimValue?: bigint;
  dimParam?: string;
}

const StringPair = schema("StringStringEntry", () => ({ 1: ["key", "string"], 2: ["value", "string"] }));
const OperatorSet = schema("OperatorSetId", () => ({ 1: ["domain", "string"], 2: ["version", "int"] }));
const Dimension = schema("Dimension", () => ({ 1: ["dimValue", "int"], 2: ["dimParam", "string"] }));
const Shape = schema("TensorShape", () => ({ 1: ["dim", Dimension, "many"] }));
const TensorType = schema("TensorType", () => ({ 1: ["elemType", "int"], 2: ["shape", Shape] }));
const Type = schema("Type", () => ({ 1: ["tensorType", TensorType] }));
const ValueInfo = schema("ValueInfo", () => ({ 1: ["name", "string"], 2: ["type", Type] }));
const Tensor = schema("Tensor", () => ({
  1: ["dims", "int", "many"],
  2: ["dataType", "int"],
  4: ["floatData", "values", "many"],
  5: ["int32Data", "values", "many"],
  6: ["stringData", "bytes", "many"],
  7: ["int64Data", "values", "many"],
  8: ["name", "string"],
  9: ["rawData", "bytes"],
  10: ["doubleData", "values", "many"],
  11: ["uint64Data", "values", "many"],
  13: ["externalData", StringPair, "many"],
  14: ["dataLocation", "int"],
}));
const Attribute: Schema = schema("Attribute", () => ({
  1: ["name", "string"],
  2: ["f", "float"],
  3: ["i", "int"],
  4: ["s", "bytes"],
  5: ["t", Tensor],
  6: ["g", Graph],
  7: ["floats", "float", "many"],
  8: ["ints", "int", "many"],
  9: ["strings", "bytes", "many"],
  10: ["tensors", Tensor, "many"],
  11: ["graphs", Graph, "many"],
  20: ["type", "int"],
}));
const Node = schema("Node", () => ({
  1: ["input", "string", "many"],
  2: ["output", "string", "many"],
  3: ["name", "string"],
  4: ["opType", "string"],
  5: ["attribute", Attribute, "many"],
  7: ["domain", "string"],
}));
const Graph: Schema = schema("Graph", () => ({
  1: ["node", Node, "many"],
  2: ["name", "string"],
  5: ["initializer", Tensor, "many"],
  11: ["input", ValueInfo, "many"],
  12: ["output", ValueInfo, "many"],
  13: ["valueInfo", ValueInfo, "many"],
  14: ["quantizationAnnotation", "bytes", "many"],
  15: ["sparseInitializer", "bytes", "many"],
}));
const Model = schema("Model", () => ({
  1: ["irVersion", "int"],
  7: ["graph", Graph],
  8: ["opsetImport", OperatorSet, "many"],
  25: ["functions", "bytes", "many"],
}));

export const decodeModel = (bytes: Uint8Array, file: string): ModelProto => decodeMessage<ModelProto>(Model, bytes, file);
export const encodeModel = (model: ModelProto): Uint8Array => encodeMessage(Model, model);

/** Numbers of `TensorProto.DataType`. */
export const DataType = { float32: 1, uint8: 2, int8: 3, uint16: 4, int16: 5, int32: 6, int64: 7, string: 8, bool: 9, float16: 10, float64: 11, uint32: 12, uint64: 13, bfloat16: 16 } as const;

const typeNames = new Map<number, string>(Object.entries(DataType).map(([name, number]) => [number, name]));
export const typeName = (number: bigint | number | undefined): string => typeNames.get(Number(number ?? 0)) ?? `type ${number}`;

export const newTensor = (fields: Partial<TensorProto>): TensorProto => ({
  dims: [], floatData: [], int32Data: [], int64Data: [], doubleData: [], uint64Data: [], stringData: [], externalData: [], unknown: [], ...fields,
});

export const newNode = (opType: string, input: string[], output: string[], attribute: AttributeProto[] = []): NodeProto => ({
  opType, input, output, attribute, name: output[0], unknown: [],
});

/** An integer attribute of a node, or what it is where it is left out. */
export const attributeInt = (node: NodeProto, name: string, otherwise: bigint): bigint => node.attribute.find((a) => a.name === name)?.i ?? otherwise;

export const castTo = (type: number, input: string, output: string): NodeProto =>
  newNode("Cast", [input], [output], [
    { name: "to", type: 2n, i: BigInt(type), floats: [], ints: [], strings: [], tensors: [], graphs: [], unknown: [] },
  ]);

/** A tensor's declaration as a graph input or output; a string is a symbolic size. */
export const tensorInfo = (name: string, elemType: number, dims: readonly (number | string)[]): ValueInfo => ({
  name,
  type: {
    tensorType: {
      elemType: BigInt(elemType),
      shape: {
        dim: dims.map((d) => (typeof d === "string" ? { dimParam: d, unknown: [] } : { dimValue: BigInt(d), unknown: [] })),
        unknown: [],
      },
      unknown: [],
    },
    unknown: [],
  },
  unknown: [],
});
