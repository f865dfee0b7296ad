/** ONNX bytes → a skeleton that can be posted, and weights on demand. Everything from outside is checked here. */
import { LabError } from "../../lib/error.ts";
import { otherKind } from "../beginnings.ts";
import type { OnnxSkeleton, OnnxWeight } from "../types.ts";
import { decodeModel, encodeModel, type GraphProto, type ModelProto, newTensor, type TensorProto } from "./proto.ts";
import { joinParts, type Role, withoutRole } from "./parts.ts";
import { type External, externalPath, floatTypeOf, floats, isExternal, lengthOf, rawBytes, shapeOf } from "./tensor.ts";
import { bodiesOf, listTensors } from "./weights.ts";

export interface OnnxFile {
  readonly skeleton: OnnxSkeleton;
  /** One weight as f32 in an array of its own. */
  tensor(weight: number): Float32Array;
}

export function readOnnx(bytes: Uint8Array, options: { name: string; external?: External }): OnnxFile {
  return readParts([{ role: "model", file: options.name, bytes }], options);
}

/** A model in one file, or in an encoder and a decoder, whose weights are counted through. */
export function readParts(parts: readonly { role: Role; file: string; bytes: Uint8Array }[], options: { name: string; external?: External }): OnnxFile {
  const { name: file, external } = options;
  const model = joinParts(parts.map(({ role, file: name, bytes }) => ({ role, file: name, model: parseModel(bytes, name) })), external);
  const weights: OnnxWeight[] = [];
  const tensors: TensorProto[] = [];
  for (const { tensor, name, weight } of listTensors(model.graph)) {
    const dtype = floatTypeOf(tensor);
    if (weight === null || dtype === null) {
      if (isExternal(tensor)) inline(tensor, file, external);
      continue;
    }
    const shape = shapeOf(tensor, file);
    rawBytes(tensor, file, external); // its length is right, its file is there
    weights.push({ id: weight, name, shape, dtype, length: lengthOf(shape) });
    tensors[weight] = newTensor(tensor);
    strip(tensor);
  }
  return {
    skeleton: { bytes: encodeModel(model), weights: parts.length > 1 ? plainNames(weights) : weights, roles: parts.map(({ role }) => role) },
    tensor(weight) {
      const tensor = tensors[weight];
      if (!tensor) throw new LabError("internal", `${file} has no weight ${weight}.`);
      return floats(tensor, file, external);
    },
  };
}

/** Without the role in front, where no other weight has that name. */
function plainNames(weights: readonly OnnxWeight[]): OnnxWeight[] {
  const times = new Map<string, number>();
  for (const { name } of weights) times.set(withoutRole(name), (times.get(withoutRole(name)) ?? 0) + 1);
  return weights.map((weight) => (times.get(withoutRole(weight.name)) === 1 ? { ...weight, name: withoutRole(weight.name) } : weight));
}

/** Files beside the model that its tensors lie in: to be fetched before `readOnnx`. */
export function externalPaths(bytes: Uint8Array, file: string): string[] {
  const paths = new Set<string>();
  for (const { tensor } of listTensors(parseModel(bytes, file).graph)) if (isExternal(tensor)) paths.add(externalPath(tensor, file));
  return [...paths];
}

/** A model whose graph is there and of a kind that can be merged. */
export function parseModel(bytes: Uint8Array, file: string): ModelProto & { graph: GraphProto } {
  sniff(bytes, file);
  const model = decodeModel(bytes, file);
  const { graph } = model;
  if (!graph || graph.output.length === 0 || model.opsetImport.length === 0) {
    throw new LabError("bad-onnx", `${file} is not an ONNX model: it has no graph with outputs. Take the file named model.onnx.`);
  }
  refuseQuantised(graph, file);
  if (model.functions.length) {
    throw new LabError("unsupported-onnx", `${file} defines functions of its own. Inline them first (onnx.inliner.inline_local_functions) and take that file.`);
  }
  return { ...model, graph };
}

function sniff(bytes: Uint8Array, file: string): void {
  if (bytes.length === 0) throw new LabError("bad-onnx", `${file} is empty. Download it again.`);
  const what = otherKind(bytes, "ONNX", "model.onnx");
  if (what) throw new LabError("bad-onnx", `${file} is ${what}.`);
}

const quantised = /^(Dynamic)?(De)?[Qq]uantize|^Q(Linear|Gemm|Attention|Embed|MoE)|^(MatMul|Conv)Integer|^MatMul(NBits|Bnb4|FpQ4)|^GatherBlockQuantized|^DynamicQuantize/;

function refuseQuantised(graph: GraphProto, file: string): void {
  const refuse = (why: string): never => {
    throw new LabError(
      "unsupported-onnx",
      `${file} is quantised (${why}): its weights are whole numbers on a coarse grid and cannot be mixed. Take the float file of the same model, onnx/model.onnx or onnx/model_fp16.onnx.`,
      { details: { why } },
    );
  };
  for (const node of graph.node) {
    if (quantised.test(node.opType ?? "")) refuse(`it uses ${node.opType}`);
    for (const body of bodiesOf(node)) refuseQuantised(body.graph, file);
  }
  for (const tensor of graph.initializer) {
    const type = Number(tensor.dataType ?? 0n);
    // 3: int8; 17–20: float8; 21 and up: four bits and fewer.
    if (type >= 17 || (type === 3 && tensor.dims.length >= 2)) refuse(`"${tensor.name ?? ""}" is stored as ${type === 3 ? "int8" : "a number type of eight bits or fewer"}`);
  }
  if (graph.sparseInitializer.length) {
    throw new LabError("unsupported-onnx", `${file} keeps sparse tensors, which are not read here. Export it with dense weights.`);
  }
}

function inline(tensor: TensorProto, file: string, external?: External): void {
  tensor.rawData = rawBytes(tensor, file, external);
  tensor.externalData = [];
  delete tensor.dataLocation;
}

/** Leaves name, dims and type. */
function strip(tensor: TensorProto): void {
  delete tensor.rawData;
  delete tensor.dataLocation;
  tensor.externalData = [];
  tensor.floatData = [];
  tensor.int32Data = [];
  tensor.doubleData = [];
}
