/**
 * Where an ONNX file keeps its floating weights, in one fixed order: a weight's id is its place in this walk, the same
 * for the file and for its skeleton. Scalars, integers (shapes, axes, indices) and
 * tensors without elements (a cache that is handed on empty) are no weights: they stay constants.
 */
import type { GraphProto, NodeProto, TensorProto } from "./proto.ts";
import { floatTypeOf } from "./tensor.ts";

export interface FoundTensor {
  readonly tensor: TensorProto;
  readonly name: string;
  /** Set for a weight, null for a constant. */
  readonly weight: number | null;
}

/** Slots whose floats say how to resize, not what was learnt: the runtime wants them constant. */
const shapeLike: Readonly<Record<string, readonly number[]>> = { Resize: [1, 2], Upsample: [1] };

/** Operators whose single numbers are the rules of the graph (what a mask is filled with, an exponent, a bound), not what was learnt. */
const ruled = new Set(["Where", "Pow", "Clip", "Max", "Min", "Mod", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Range", "Pad", "ConstantOfShape"]);

const isSingle = ({ dims }: TensorProto): boolean => dims.every((size) => size === 1n);

export const constantTensor = (node: NodeProto): TensorProto | undefined =>
  node.opType === "Constant" && !node.domain ? node.attribute.find((a) => a.name === "value")?.t : undefined;

/** Bodies of If, Loop and Scan, by attribute name. */
export function bodiesOf(node: NodeProto): { name: string; graph: GraphProto }[] {
  const found: { name: string; graph: GraphProto }[] = [];
  for (const a of node.attribute) {
    if (a.g) found.push({ name: a.name ?? "", graph: a.g });
    a.graphs.forEach((graph, i) => found.push({ name: `${a.name ?? ""}.${i}`, graph }));
  }
  return found;
}

export function listTensors(graph: GraphProto): FoundTensor[] {
  const constants = new Set<string>();
  const rules = new Set<string>();
  collectConstants(graph, constants, rules);
  const found: FoundTensor[] = [];
  let weights = 0;
  const add = (tensor: TensorProto, name: string): void => {
    const isWeight = tensor.dims.length > 0 && !tensor.dims.includes(0n) && floatTypeOf(tensor) !== null && !constants.has(name) && !(isSingle(tensor) && rules.has(name));
    found.push({ tensor, name, weight: isWeight ? weights++ : null });
  };
  const walk = (g: GraphProto): void => {
    for (const tensor of g.initializer) add(tensor, tensor.name ?? "");
    for (const node of g.node) {
      const constant = constantTensor(node);
      if (constant) add(constant, node.output[0] ?? "");
      for (const body of bodiesOf(node)) walk(body.graph);
    }
  };
  walk(graph);
  return found;
}

function collectConstants(graph: GraphProto, names: Set<string>, rules: Set<string>): void {
  for (const node of graph.node) {
    for (const slot of shapeLike[node.opType ?? ""] ?? []) if (node.input[slot]) names.add(node.input[slot]);
    if (ruled.has(node.opType ?? "")) for (const name of node.input) rules.add(name);
    for (const body of bodiesOf(node)) collectConstants(body.graph, names, rules);
  }
}

/** Leaves out nodes that no output needs, and constants that no node takes. */
export function dropDead(graph: GraphProto): void {
  const live = new Set(graph.output.map((info) => info.name ?? ""));
  const kept: NodeProto[] = [];
  for (const node of [...graph.node].reverse()) {
    if (!node.output.some((name) => live.has(name))) continue;
    kept.push(node);
    for (const name of node.input) live.add(name);
    for (const body of bodiesOf(node)) takenBy(body.graph, live);
  }
  graph.node = kept.reverse();
  graph.initializer = graph.initializer.filter((tensor) => live.has(tensor.name ?? ""));
}

/** Adds every name that nodes or outputs of a body, at any depth, take. */
export function takenBy(body: GraphProto, names: Set<string>): void {
  for (const info of body.output) names.add(info.name ?? "");
  for (const node of body.node) {
    for (const name of node.input) names.add(name);
    for (const inner of bodiesOf(node)) takenBy(inner.graph, names);
  }
}
