/**
 * A merged model as a file: the lifted graph with weights put back where its inputs were. Nodes, outputs and opset are
 * the source's; weights carry their checkpoint names, and tensors that a merge told apart are apart.
 */
import { castTo, DataType, decodeModel, encodeModel, type GraphProto, type ModelProto, newTensor, type NodeProto, type TensorProto } from "../checkpoint/onnx/proto.ts";
import { type FloatType, packFloats } from "../checkpoint/onnx/tensor.ts";
import { takenBy } from "../checkpoint/onnx/weights.ts";
import type { Alignment } from "../checkpoint/types.ts";
import { LabError } from "../lib/error.ts";

/** How weights are stored: as the base stores them, or all alike. Halves are cast back to f32 where they are used. */
export type StoredAs = "keep" | FloatType;

/** Values of one input of the lifted graph. */
export interface Fill {
  readonly data: Float32Array;
  readonly shape: readonly number[];
  /** As the base stores it, for "keep". */
  readonly dtype: FloatType;
}

export type Fills = ReadonlyMap<string, Fill>;

export interface OnnxOut {
  readonly model: Uint8Array<ArrayBuffer>;
  /** What goes into `model.onnx_data`, part after part; empty where one file holds all. */
  readonly data: readonly Uint8Array[];
}

export interface BakeOptions {
  readonly dtype: StoredAs;
  /** Name of the file beside the model, should one be needed. */
  readonly dataFile?: string;
  /** Weights above this many bytes lie in that file: a protobuf message ends at 2 GiB. */
  readonly inlineBytes?: number;
}

const INLINE_BYTES = 1_900_000_000;
/** Runtimes map such files into memory by pages. */
const PAGE = 4096;

/** Tensors of the space and of one model's head, by input name. */
export function fillsOf(alignment: Alignment, weights: readonly Float32Array[], head?: { model: string; tensors: readonly Float32Array[] }): Map<string, Fill> {
  const fills = new Map<string, Fill>();
  alignment.segments.forEach(({ inputs, dtype }, i) => {
    const segment = alignment.space.segments[i];
    const data = weights[i];
    if (!segment || data?.length !== segment.length) throw new LabError("internal", `The weights of ${segment?.name ?? i} have ${data?.length ?? 0} elements, not ${segment?.length ?? 0}.`);
    for (const input of inputs) fills.set(input, { data, shape: segment.shape, dtype });
  });
  if (head) headFills(alignment, head.model, head.tensors).forEach((fill, input) => fills.set(input, fill));
  return fills;
}

export function headFills(alignment: Alignment, model: string, tensors: readonly Float32Array[]): Map<string, Fill> {
  return new Map(
    alignment.heads.map(({ input, name, of, dtype }, i) => {
      const data = tensors[i];
      const shape = of[model]?.shape;
      if (!data || !shape) throw new LabError("internal", `The head ${name} of ${model} was not given.`);
      return [input, { data, shape, dtype }];
    }),
  );
}

/** A model in one file. */
export function bake(alignment: Alignment, fills: Fills, options: BakeOptions): OnnxOut {
  return bakeGraph(alignment.graph, fills, options);
}

/** One graph of a model, with those of `fills` that it takes. */
export function bakeGraph(bytes: Uint8Array, fills: Fills, options: BakeOptions): OnnxOut {
  const { model, graph } = open(bytes);
  const own = new Map([...fills].filter(([name]) => graph.input.some((info) => info.name === name)));
  closeSizes(graph, own);
  return finish(model, graph, own, options);
}

export function open(bytes: Uint8Array): { model: ModelProto; graph: GraphProto } {
  const model = decodeModel(bytes, "the lifted graph");
  if (!model.graph) throw new LabError("internal", "The lifted graph is empty.");
  return { model, graph: model.graph };
}

/** Inputs become initializers. */
export function finish(model: ModelProto, graph: GraphProto, fills: Fills, { dtype, dataFile = "model.onnx_data", inlineBytes = INLINE_BYTES }: BakeOptions): OnnxOut {
  graph.input = graph.input.filter((info) => !fills.has(info.name ?? ""));
  const casts: NodeProto[] = [];
  const packed: { tensor: TensorProto; bytes: Uint8Array }[] = [];
  for (const [input, { data, shape, dtype: own }] of fills) {
    const type = dtype === "keep" ? own : dtype;
    const name = type === "float32" ? input : `${input}.${type}`;
    // A graph that computes in halves has its own Cast from the input: stored as halves, the tensor takes its place.
    graph.node = graph.node.filter((node) => !(node.opType === "Cast" && node.input[0] === input && node.output[0] === name));
    if (name !== input) casts.push(castTo(DataType.float32, name, input));
    const tensor = newTensor({ name, dims: shape.map(BigInt), dataType: BigInt(DataType[type]) });
    packed.push({ tensor, bytes: packFloats(data, type) });
  }
  const used = usedNames(graph);
  graph.node.unshift(...casts.filter((cast) => used.has(cast.output[0] ?? "")));
  graph.initializer.push(...packed.map(({ tensor }) => tensor));
  const total = packed.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const data = total > inlineBytes ? outside(packed, dataFile) : [];
  if (!data.length) for (const { tensor, bytes } of packed) tensor.rawData = bytes;
  return { model: encodeModel(model) as Uint8Array<ArrayBuffer>, data };
}

function outside(packed: readonly { tensor: TensorProto; bytes: Uint8Array }[], location: string): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let offset = 0;
  const add = (bytes: Uint8Array) => {
    parts.push(bytes);
    offset += bytes.length;
  };
  for (const { tensor, bytes } of packed) {
    if (offset % PAGE) add(new Uint8Array(PAGE - (offset % PAGE)));
    const told = { location, offset: String(offset), length: String(bytes.length) };
    tensor.dataLocation = 1n;
    tensor.externalData = Object.entries(told).map(([key, value]) => ({ key, value, unknown: [] }));
    add(bytes);
  }
  return parts;
}

/** Symbols that stood for a head's sizes are those sizes now. */
export function closeSizes(graph: GraphProto, fills: Fills): void {
  const sizes = new Map<string, number>();
  for (const info of graph.input) {
    const fill = fills.get(info.name ?? "");
    info.type?.tensorType?.shape?.dim.forEach((dim, axis) => {
      const size = fill?.shape[axis];
      if (dim.dimParam !== undefined && size !== undefined) sizes.set(dim.dimParam, size);
    });
  }
  for (const info of graph.output) {
    for (const dim of info.type?.tensorType?.shape?.dim ?? []) {
      const size = sizes.get(dim.dimParam ?? "");
      if (size === undefined) continue;
      dim.dimValue = BigInt(size);
      delete dim.dimParam;
    }
  }
}

/** Names that nodes at any depth, or outputs, take. */
export function usedNames(graph: GraphProto): Set<string> {
  const names = new Set<string>();
  takenBy(graph, names);
  return names;
}
