/**
 * One graph for all tasks: the shared body once, and what lies after a head's tensors once a task, ending in the output
 * `logits.<task id>`.
 */
import type { AttributeProto, GraphProto, NodeProto, ValueInfo } from "../checkpoint/onnx/proto.ts";
import type { Alignment } from "../checkpoint/types.ts";
import { LabError } from "../lib/error.ts";
import { type BakeOptions, closeSizes, type Fill, fillsOf, finish, headFills, type OnnxOut, open, usedNames } from "./bake.ts";

export interface TaskHead {
  readonly task: string;
  /** Model whose head it is. */
  readonly model: string;
  /** One array a head tensor, in `alignment.heads` order. */
  readonly tensors: readonly Float32Array[];
}

export function joinHeads(alignment: Alignment, weights: readonly Float32Array[], heads: readonly TaskHead[], options: BakeOptions): OnnxOut {
  return join(alignment, fillsOf(alignment, weights), heads, options);
}

/** The same graph with the body's weights still inputs: one run scores samples of all tasks. */
export function joinedGraph(alignment: Alignment, heads: readonly TaskHead[]): Uint8Array {
  return join(alignment, new Map(), heads, { dtype: "float32" }).model;
}

/** Output of a task in a joined graph whose outputs were `name`. */
export const joinedOutput = (name: string, task: string): string => `${name}.${task}`;

function join(alignment: Alignment, fills: Map<string, Fill>, heads: readonly TaskHead[], options: BakeOptions): OnnxOut {
  const { model, graph } = open(alignment.graph);
  const inputs = new Set(alignment.heads.map((head) => head.input));
  if (inputs.size === 0 || heads.length === 0) throw new LabError("internal", "Models without heads have one output for all tasks: nothing to join.");
  const { shared, own, made } = split(graph, inputs);

  const declared = graph.input.filter((info) => inputs.has(info.name ?? ""));
  const outputs = graph.output;
  const body = outputs.filter((info) => !made.has(info.name ?? ""));
  const nodes: NodeProto[] = [];
  const joined: ValueInfo[] = [];
  for (const { task, model: id, tensors } of heads) {
    const rename = (name: string) => (made.has(name) ? joinedOutput(name, task) : inputs.has(name) ? headName(name, id) : name);
    const mine = headFills(alignment, id, tensors);
    nodes.push(...own.map((node) => copyNode(node, rename, task)));
    const ends: GraphProto = { ...graph, input: declared.map(copyInfo), output: outputs.filter((info) => made.has(info.name ?? "")).map(copyInfo) };
    closeSizes(ends, mine);
    joined.push(...ends.output.map((info) => ({ ...info, name: rename(info.name ?? "") })));
    mine.forEach((fill: Fill, input) => fills.set(headName(input, id), fill));
  }
  graph.input = graph.input.filter((info) => !inputs.has(info.name ?? ""));
  graph.node = [...shared, ...nodes];
  graph.output = [...body, ...joined];
  return finish(model, graph, fills, options);
}

/** Two tasks on one model's head share its tensors. */
const headName = (input: string, model: string): string => `${input}.${model}`;

/** Nodes that need a head's tensors, at any remove, and the values they make; nodes stand in an order that runs. */
function split(graph: GraphProto, inputs: ReadonlySet<string>): { shared: NodeProto[]; own: NodeProto[]; made: Set<string> } {
  const made = new Set<string>();
  const shared: NodeProto[] = [];
  const own: NodeProto[] = [];
  for (const node of graph.node) {
    const needs = usedNames({ ...graph, node: [node], output: [] });
    if (![...needs].some((name) => made.has(name) || inputs.has(name))) {
      shared.push(node);
      continue;
    }
    own.push(node);
    for (const name of node.output) if (name) made.add(name);
  }
  return { shared, own, made };
}

function copyNode(node: NodeProto, rename: (name: string) => string, task: string): NodeProto {
  return {
    ...node,
    ...(node.name ? { name: `${node.name}.${task}` } : {}),
    input: node.input.map(rename),
    output: node.output.map((name) => (name ? rename(name) : name)),
    attribute: node.attribute.map((one) => copyBodies(one, rename)),
  };
}

/** Bodies keep their own names (they are scopes of their own); what they take from outside is renamed. */
function copyBodies(attribute: AttributeProto, rename: (name: string) => string): AttributeProto {
  const copy = (graph: GraphProto): GraphProto => {
    const local = new Set([...graph.input, ...graph.initializer].map((one) => one.name ?? "").concat(graph.node.flatMap((node) => node.output)));
    const outer = (name: string) => (local.has(name) ? name : rename(name));
    return {
      ...graph,
      node: graph.node.map((node) => ({ ...node, input: node.input.map(outer), attribute: node.attribute.map((one) => copyBodies(one, outer)) })),
      output: graph.output.map((info) => ({ ...info, name: outer(info.name ?? "") })),
    };
  };
  return { ...attribute, ...(attribute.g ? { g: copy(attribute.g) } : {}), graphs: attribute.graphs.map(copy) };
}

function copyInfo(info: ValueInfo): ValueInfo {
  const tensor = info.type?.tensorType;
  if (!info.type || !tensor?.shape) return { ...info };
  const shape = { ...tensor.shape, dim: tensor.shape.dim.map((dim) => ({ ...dim })) };
  return { ...info, type: { ...info.type, tensorType: { ...tensor, shape } } };
}
