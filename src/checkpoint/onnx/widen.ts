/**
 * A graph that computes in halves as one that computes in floats, for runtimes without halves: every float16 in it becomes float32. Weights
 * are inputs by now, in f32 already; what is left are constants, Casts and declared types.
 */
import { type AttributeProto, DataType, decodeModel, encodeModel, type GraphProto, type TensorProto, type ValueInfo } from "./proto.ts";
import { floats } from "./tensor.ts";

const HALF = BigInt(DataType.float16);
const FLOAT = BigInt(DataType.float32);

/** The same bytes where nothing is halved. */
export function widen(bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes, "the lifted graph");
  return model.graph && widenGraph(model.graph) ? encodeModel(model) : bytes;
}

function widenGraph(graph: GraphProto): boolean {
  let changed = false;
  const touch = (did: boolean) => (changed = did || changed);
  for (const tensor of graph.initializer) touch(widenTensor(tensor));
  for (const info of [...graph.input, ...graph.output]) touch(widenInfo(info));
  for (const node of graph.node) {
    for (const attribute of node.attribute) touch(widenAttribute(attribute, node.opType ?? ""));
  }
  if (changed) graph.valueInfo = [];
  return changed;
}

function widenTensor(tensor: TensorProto): boolean {
  if (tensor.dataType !== HALF) return false;
  const values = floats(tensor, "the lifted graph");
  tensor.dataType = FLOAT;
  tensor.rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  tensor.int32Data = [];
  return true;
}

function widenInfo(info: ValueInfo): boolean {
  const tensor = info.type?.tensorType;
  if (tensor?.elemType !== HALF) return false;
  tensor.elemType = FLOAT;
  return true;
}

/** Types that operators are told as numbers: Cast's `to`, `dtype` of those that make numbers, `stash_type` of norms. */
function widenAttribute(attribute: AttributeProto, operator: string): boolean {
  let changed = false;
  const told = (attribute.name === "to" && /^Cast(Like)?$/.test(operator)) || attribute.name === "dtype" || attribute.name === "stash_type";
  if (told && attribute.i === HALF) {
    attribute.i = FLOAT;
    changed = true;
  }
  if (attribute.t) changed = widenTensor(attribute.t) || changed;
  for (const tensor of attribute.tensors) changed = widenTensor(tensor) || changed;
  for (const body of [...(attribute.g ? [attribute.g] : []), ...attribute.graphs]) changed = widenGraph(body) || changed;
  return changed;
}
