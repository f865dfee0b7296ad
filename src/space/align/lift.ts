/**
 * The base's graph with its weights as inputs. Each place of use is wired straight to its tensor's input (f32), so the
 * Casts of weights stored as halves fall away; what then feeds nothing is dropped, stale shapes (value_info) with it.
 */
import { castTo, DataType, encodeModel, newNode, type NodeProto, tensorInfo, type TensorProto, typeName, type ValueInfo } from "../../checkpoint/onnx/proto.ts";
import type { GraphPort } from "../../checkpoint/types.ts";
import { type CanonicalModel, ownerOf, type Scope, type Site } from "./canonical.ts";
import type { Place } from "./pair.ts";

export interface Lift {
  /** Canonical name; the input's is made of it. */
  readonly name: string;
  /** A string is a symbolic size. */
  readonly shape: readonly (number | string)[];
  readonly places: readonly Place[];
}

export interface Lifted {
  readonly graph: Uint8Array;
  /** One input name a lift. */
  readonly names: readonly string[];
  readonly inputs: readonly GraphPort[];
  readonly outputs: readonly GraphPort[];
}

/** `free`: by output position, sizes that follow a head's and the symbol they get. */
export function lift(base: CanonicalModel, lifts: readonly Lift[], free: ReadonlyMap<number, ReadonlyMap<number, string>>): Lifted {
  const { root, proto } = base;
  const taken = namesOf(root);
  const names = lifts.map(({ name }) => unique(name.replace(/[^\w./:-]/g, "_"), taken));
  const casts: NodeProto[] = [];
  lifts.forEach(({ places }, i) => {
    const input = names[i] as string;
    const byType = new Map<string, string>([["float32", input]]);
    for (const place of places) {
      let value = byType.get(place.type);
      if (value === undefined) {
        value = unique(`${input}.${place.type}`, taken);
        byType.set(place.type, value);
        casts.push(castTo(DataType[place.type as keyof typeof DataType], input, value));
      }
      wire(place, value, taken);
    }
  });
  prune(root);
  const fed = root.graph.input.filter((info) => base.inputs.includes(info.name ?? "") || root.graph.initializer.some((t) => t.name === info.name));
  root.graph.input = [...fed, ...lifts.map(({ shape }, i) => tensorInfo(names[i] as string, DataType.float32, shape))];
  root.graph.node.unshift(...casts);
  root.graph.output.forEach((info, i) => loosen(info, free.get(i)));
  return {
    graph: encodeModel(proto),
    names,
    inputs: fed.filter((info) => base.inputs.includes(info.name ?? "")).map(portOf),
    outputs: root.graph.output.map(portOf),
  };
}

function wire({ at, slot }: Place, value: string, taken: Set<string>): void {
  if (at.kind === "input") {
    at.site.node.input[slot] = value;
    return;
  }
  // A graph may not hand an input out as its output: an Identity stands between.
  const { graph, parent } = at.scope;
  const info = graph.output[slot] as ValueInfo;
  const name = info.name ?? "";
  if (parent) info.name = unique(name, taken);
  else {
    graph.node = graph.node.filter((node) => !node.output.includes(name));
    graph.initializer = graph.initializer.filter((tensor) => tensor.name !== name);
  }
  graph.node.push(newNode("Identity", [value], [info.name ?? ""]));
}

/** Keeps what the outputs need. Names are looked up as they were before wiring: new ones are inputs and need no maker. */
function prune(root: Scope): void {
  const live = new Set<Site>();
  const kept = new Set<TensorProto>();
  const todo: [Scope, string][] = [];
  const outputs = (scope: Scope) => scope.graph.output.forEach((info) => todo.push([scope, info.name ?? ""]));
  outputs(root);
  for (let next = todo.pop(); next; next = todo.pop()) {
    const owner = ownerOf(...next);
    const made = owner?.made.get(next[1]);
    // A weight is an input by now, perhaps under its old name.
    if (made?.kind === "tensor" && !made.weight) kept.add(made.tensor);
    if (made?.kind !== "node" || live.has(made.site)) continue;
    live.add(made.site);
    for (const name of made.site.node.input) todo.push([made.site.scope, name]);
    for (const body of made.site.bodies) outputs(body.scope);
  }
  const scopes: Scope[] = [root];
  for (let scope = scopes.pop(); scope; scope = scopes.pop()) {
    const { graph, sites } = scope;
    const dead = new Set<NodeProto>();
    for (const site of sites) {
      const constant = site.node.opType === "Constant" && site.node.attribute.find((a) => a.name === "value")?.t;
      if (constant ? !kept.has(constant) : !live.has(site)) dead.add(site.node);
      else scopes.push(...site.bodies.map((body) => body.scope));
    }
    graph.node = graph.node.filter((node) => !dead.has(node));
    graph.initializer = graph.initializer.filter((tensor) => kept.has(tensor));
    graph.valueInfo = [];
    graph.quantizationAnnotation = [];
  }
}

/** Every name in use but those of weights, which are about to be free. */
function namesOf(scope: Scope, names = new Set<string>()): Set<string> {
  for (const [name, made] of scope.made) if (made.kind !== "tensor" || !made.weight) names.add(name);
  for (const info of scope.graph.output) names.add(info.name ?? "");
  for (const site of scope.sites) for (const body of site.bodies) namesOf(body.scope, names);
  return names;
}

function unique(wanted: string, taken: Set<string>): string {
  let name = wanted;
  for (let n = 2; taken.has(name); n++) name = `${wanted}_${n}`;
  taken.add(name);
  return name;
}

function loosen(info: ValueInfo, symbols: ReadonlyMap<number, string> | undefined): void {
  const dims = info.type?.tensorType?.shape?.dim;
  if (!symbols || !dims) return;
  const known = dims.filter((dim) => dim.dimValue !== undefined);
  const matching = known.filter((dim) => symbols.has(Number(dim.dimValue)));
  // None recognised: a head's sizes may have been reshaped on their way, so none is promised.
  for (const dim of matching.length ? matching : known) {
    dim.dimParam = symbols.get(Number(dim.dimValue)) ?? `${info.name ?? "output"}_dim${dims.indexOf(dim)}`;
    delete dim.dimValue;
  }
}

function portOf(info: ValueInfo): GraphPort {
  const tensor = info.type?.tensorType;
  const dims = tensor?.shape?.dim ?? [];
  return {
    name: info.name ?? "",
    type: typeName(tensor?.elemType),
    shape: dims.map((dim, i) => (dim.dimValue !== undefined ? Number(dim.dimValue) : (dim.dimParam ?? `dim${i}`))),
  };
}
