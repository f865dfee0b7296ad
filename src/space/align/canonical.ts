/**
 * A graph as alignment sees it: nodes and where each of their inputs truly comes from. Identity is looked through,
 * and so are float Casts over a weight, so exports that differ in those are the same graph here.
 */
import { type GraphProto, type ModelProto, type NodeProto, type TensorProto, typeName } from "../../checkpoint/onnx/proto.ts";
import { parseModel } from "../../checkpoint/onnx/read.ts";
import { bodiesOf, constantTensor, listTensors } from "../../checkpoint/onnx/weights.ts";
import type { AlignInput, OnnxWeight } from "../../checkpoint/types.ts";
import { LabError } from "../../lib/error.ts";

/** A graph or a body, and what each name in it is made by. */
export interface Scope {
  readonly graph: GraphProto;
  readonly parent: Scope | null;
  /** "" for the outermost, else node path + "/" + attribute: "12/then_branch". */
  readonly path: string;
  readonly made: ReadonlyMap<string, Made>;
  readonly sites: readonly Site[];
}

/** A node where it stands. */
export interface Site {
  readonly node: NodeProto;
  readonly scope: Scope;
  /** Position in its graph, below its scope's path: "7", "12/then_branch/3". */
  readonly path: string;
  /** `else_branch`, `then_branch`, `body`; by attribute name. */
  readonly bodies: readonly { readonly name: string; readonly scope: Scope }[];
}

type Made =
  | { readonly kind: "tensor"; readonly tensor: TensorProto; readonly weight: OnnxWeight | null }
  | { readonly kind: "formal"; readonly index: number }
  | { readonly kind: "node"; readonly site: Site; readonly output: number };

export type Source =
  | { readonly kind: "none" }
  /** `type`: what the consumer gets after the Casts looked through. */
  | { readonly kind: "weight"; readonly weight: OnnxWeight; readonly type: string }
  | { readonly kind: "constant"; readonly tensor: TensorProto; readonly type: string }
  /** Input of the model, or (in a body) of a Loop's or Scan's body. */
  | { readonly kind: "formal"; readonly scope: Scope; readonly index: number; readonly name: string }
  | { readonly kind: "node"; readonly site: Site; readonly output: number };

export interface CanonicalModel {
  readonly id: string;
  /** Parsed from the skeleton for this alignment alone: lifting rewrites it in place. */
  readonly proto: ModelProto;
  readonly root: Scope;
  readonly weights: readonly OnnxWeight[];
  /** Inputs that the caller feeds: declared inputs that are not initializers too. */
  readonly inputs: readonly string[];
}

const floatTypes = new Set(["float32", "float16", "float64", "bfloat16"]);

export function canonicalise(input: AlignInput): CanonicalModel {
  const proto = parseModel(input.skeleton.bytes, input.id);
  const { graph } = proto;
  const found = new Map<TensorProto, OnnxWeight | null>();
  for (const { tensor, weight } of listTensors(graph)) found.set(tensor, weight === null ? null : (input.skeleton.weights[weight] ?? null));
  const root = scopeOf(graph, null, "", found, input.id);
  const initial = new Set(graph.initializer.map((t) => t.name));
  const inputs = graph.input.map((info) => info.name ?? "").filter((name) => !initial.has(name));
  return { id: input.id, proto, root, weights: input.skeleton.weights, inputs };
}

function scopeOf(graph: GraphProto, parent: Scope | null, path: string, found: Map<TensorProto, OnnxWeight | null>, model: string): Scope {
  const made = new Map<string, Made>();
  const sites: Site[] = [];
  const scope: Scope = { graph, parent, path, made, sites };
  graph.input.forEach((info, index) => made.set(info.name ?? "", { kind: "formal", index }));
  for (const tensor of graph.initializer) made.set(tensor.name ?? "", { kind: "tensor", tensor, weight: found.get(tensor) ?? null });
  const below = path === "" ? "" : `${path}/`;
  graph.node.forEach((node, position) => {
    const at = `${below}${position}`;
    const bodies: { name: string; scope: Scope }[] = [];
    const site: Site = { node, scope, path: at, bodies };
    for (const body of bodiesOf(node)) bodies.push({ name: body.name, scope: scopeOf(body.graph, scope, `${at}/${body.name}`, found, model) });
    bodies.sort((a, b) => (a.name < b.name ? -1 : 1));
    sites.push(site);
    const constant = constantTensor(node);
    node.output.forEach((name, output) => {
      if (name === "") return;
      if (made.get(name)?.kind === "node") throw new LabError("bad-onnx", `In ${model} two nodes make the value "${name}". Export the model again.`);
      made.set(name, constant ? { kind: "tensor", tensor: constant, weight: found.get(constant) ?? null } : { kind: "node", site, output });
    });
  });
  return scope;
}

/** Follows a name to where its value is made. */
export function resolve(start: Scope, wanted: string, model: string): Source {
  let scope = start;
  let name = wanted;
  let type: string | null = null;
  let outer: Source | null = null; // the first Cast met: the answer, should no weight lie behind it
  for (let steps = 0; steps < 10_000; steps++) {
    if (name === "") return outer ?? { kind: "none" };
    const owner = ownerOf(scope, name);
    const made = owner?.made.get(name);
    if (!owner || !made) throw new LabError("bad-onnx", `${model} uses the value "${name}", which nothing makes. The file may be damaged; download it again.`);
    if (made.kind === "tensor") {
      const own = typeName(made.tensor.dataType);
      if (made.weight) return { kind: "weight", weight: made.weight, type: type ?? own };
      return outer ?? { kind: "constant", tensor: made.tensor, type: own };
    }
    if (made.kind === "formal") return outer ?? { kind: "formal", scope: owner, index: made.index, name };
    const { node } = made.site;
    const target = floatCast(node);
    if (node.domain || (node.opType !== "Identity" && target === null)) return outer ?? { kind: "node", site: made.site, output: made.output };
    if (target !== null) {
      type ??= target;
      outer ??= { kind: "node", site: made.site, output: made.output };
    }
    scope = owner;
    name = node.input[0] ?? "";
  }
  throw new LabError("bad-onnx", `In ${model} the value "${wanted}" is made from itself. Export the model again.`);
}

export function ownerOf(start: Scope, name: string): Scope | null {
  for (let scope: Scope | null = start; scope; scope = scope.parent) if (scope.made.has(name)) return scope;
  return null;
}

function floatCast(node: NodeProto): string | null {
  if (node.opType !== "Cast") return null;
  const to = typeName(node.attribute.find((a) => a.name === "to")?.i);
  return floatTypes.has(to) ? to : null;
}

/** A node as people find it in a viewer. */
export const describe = (site: Site): string => `${site.node.opType ?? "?"} node "${site.node.name || site.node.output[0] || site.path}"`;
