/**
 * Two graphs side by side, from the outputs backwards: the makers of output k are a pair, then what feeds them, slot by
 * slot, bodies of If and Loop included. Names of nodes and tensors play no part. What comes out says, for each place of
 * use in the base graph (node path and slot), which weight of the other model stands there.
 */
import { type AttributeProto, type TensorProto, typeName } from "../../checkpoint/onnx/proto.ts";
import { elementBytes, rawBytes } from "../../checkpoint/onnx/tensor.ts";
import type { OnnxWeight } from "../../checkpoint/types.ts";
import { LabError } from "../../lib/error.ts";
import { type CanonicalModel, describe, resolve, type Scope, type Site, type Source } from "./canonical.ts";

/** Where a weight enters the base graph: `slot` of a node's inputs, or of a graph's (a body's) outputs. */
export interface Place {
  /** `${path}:${slot}`; unique. */
  readonly key: string;
  readonly at: { readonly kind: "input"; readonly site: Site } | { readonly kind: "output"; readonly scope: Scope };
  readonly slot: number;
  /** Type the consumer expects. */
  readonly type: string;
}

export interface Paired {
  readonly place: Place;
  readonly weight: OnnxWeight;
}

/** In the order they are met from the first output backwards; the same for every model paired with this base. */
export type Pairing = ReadonlyMap<string, Paired>;

export function pair(base: CanonicalModel, other: CanonicalModel): Pairing {
  return new Pairer(base, other).run();
}

/** One node may stand for several equal ones of the other export; a file made to keep us busy ends here. */
const PARTNERS_MAX = 64;

class Pairer {
  private readonly places = new Map<string, Paired>();
  private readonly seen = new Map<Site, Set<Site>>();
  private readonly bodies = new Map<Scope, Set<Scope>>();
  private readonly todo: [Site, Site][] = [];

  constructor(
    private readonly base: CanonicalModel,
    private readonly other: CanonicalModel,
  ) {}

  run(): Pairing {
    this.sameDoor("inputs", this.base.inputs, this.other.inputs);
    this.scopes(this.base.root, this.other.root);
    for (let next = this.todo.pop(); next; next = this.todo.pop()) this.nodes(...next);
    return this.places;
  }

  private scopes(a: Scope, b: Scope): void {
    const partners = this.bodies.get(a) ?? new Set();
    if (partners.has(b)) return;
    this.bodies.set(a, partners.add(b));
    const names = (scope: Scope) => scope.graph.output.map((info) => info.name ?? "");
    const outputs = names(a);
    const others = a.parent ? names(b) : this.matched(outputs, names(b));
    if (outputs.length !== others.length) this.sameDoor("outputs", outputs, others);
    // Backwards, because the stack of pairs is emptied from its end.
    for (let slot = outputs.length - 1; slot >= 0; slot--) {
      this.values({ kind: "output", scope: a }, slot, resolve(a, outputs[slot] as string, this.base.id), resolve(b, others[slot] as string, this.other.id));
    }
  }

  private nodes(a: Site, b: Site): void {
    if (a.node.opType !== b.node.opType || (a.node.domain ?? "") !== (b.node.domain ?? "")) {
      this.differ(`${this.base.id} has ${describe(a)} where ${this.other.id} has ${describe(b)}`, a, b);
    }
    this.attributes(a, b);
    if (a.bodies.length !== b.bodies.length) this.differ(`${describe(a)} has ${a.bodies.length} bodies in ${this.base.id} and ${b.bodies.length} in ${this.other.id}`, a, b);
    a.bodies.forEach((body, i) => this.scopes(body.scope, (b.bodies[i] as (typeof b.bodies)[number]).scope));
    const mine = inputsOf(a, this.base.id);
    const theirs = inputsOf(b, this.other.id);
    if (commutes(a) && crossed(mine, theirs)) theirs.reverse();
    for (let slot = Math.max(mine.length, theirs.length) - 1; slot >= 0; slot--) {
      this.values({ kind: "input", site: a }, slot, mine[slot] ?? { kind: "none" }, theirs[slot] ?? { kind: "none" }, b);
    }
  }

  private values(at: Place["at"], slot: number, a: Source, b: Source, otherSite?: Site): void {
    const where = at.kind === "input" ? `input ${slot} of ${describe(at.site)}` : `output ${slot}${at.scope.path ? ` of the body ${at.scope.path}` : ""}`;
    const differ = (): never =>
      this.differ(`${where} is ${say(a)} in ${this.base.id} but ${say(b)} in ${this.other.id}`, at.kind === "input" ? at.site : undefined, otherSite);
    if (a.kind === "node" && b.kind === "node") {
      if (a.output !== b.output) differ();
      const partners = this.seen.get(a.site) ?? new Set();
      if (partners.has(b.site)) return;
      if (partners.size >= PARTNERS_MAX) differ();
      this.seen.set(a.site, partners.add(b.site));
      this.todo.push([a.site, b.site]);
    } else if (a.kind === "weight" && b.kind === "weight") {
      const path = at.kind === "input" ? at.site.path : `${at.scope.path}=`;
      const key = `${path}:${slot}`;
      const before = this.places.get(key);
      if (before && before.weight.id !== b.weight.id) {
        this.differ(`${where} stands for two nodes of ${this.other.id}, with the weights ${before.weight.name} and ${b.weight.name}`, undefined, otherSite);
      }
      this.places.set(key, { place: { key, at, slot, type: a.type }, weight: b.weight });
    } else if (a.kind === "constant" && b.kind === "constant") {
      if (!sameTensor(a.tensor, b.tensor, where)) differ();
    } else if (a.kind === "formal" && b.kind === "formal") {
      const same = a.scope.parent ? a.index === b.index && this.bodies.get(a.scope)?.has(b.scope) : this.sameInput(a.name, b.name);
      if (!same) differ();
    } else if (a.kind !== "none" || b.kind !== "none") differ();
  }

  private attributes(a: Site, b: Site): void {
    const list = (site: Site) => site.node.attribute.filter((one) => !one.g && one.graphs.length === 0).sort((x, y) => ((x.name ?? "") < (y.name ?? "") ? -1 : 1));
    const [mine, theirs] = [list(a), list(b)];
    for (let i = 0; i < Math.max(mine.length, theirs.length); i++) {
      const [x, y] = [mine[i], theirs[i]];
      if (!x || !y || x.name !== y.name || !sameAttribute(x, y)) {
        const name = [x?.name ?? "", y?.name ?? ""].filter(Boolean).sort()[0] ?? "";
        this.differ(`the attribute ${name} of ${describe(a)} differs between ${this.base.id} and ${this.other.id}`, a, b);
      }
    }
  }

  /** Inputs and outputs are the models' doors: by name where the names agree, else in order. */
  private matched(names: readonly string[], others: readonly string[]): readonly string[] {
    return names.every((name) => others.includes(name)) && names.length === others.length ? names : others;
  }

  private sameInput(a: string, b: string): boolean {
    const others = this.matched(this.base.inputs, this.other.inputs);
    return others[this.base.inputs.indexOf(a)] === b;
  }

  private sameDoor(what: string, a: readonly string[], b: readonly string[]): void {
    if (a.length === b.length) return;
    this.differ(`${this.base.id} has the ${what} ${a.join(", ")} but ${this.other.id} has ${b.join(", ")}`);
  }

  private differ(why: string, a?: Site, b?: Site): never {
    throw new LabError("graph-mismatch", `${this.other.id} is not the same network as ${this.base.id}: ${why}.`, {
      details: { model: this.other.id, base: this.base.id, node: a?.node.name, otherNode: b?.node.name },
    });
  }
}

/** Trailing inputs that are left out count as absent. */
function inputsOf(site: Site, model: string): Source[] {
  return site.node.input.map((name) => resolve(site.scope, name, model));
}

const commutes = (site: Site): boolean => (site.node.opType === "Add" || site.node.opType === "Mul") && site.node.input.length === 2;

/** weight + x here, x + weight there. */
function crossed([a0, a1]: readonly Source[], [b0, b1]: readonly Source[]): boolean {
  const kinds = (x?: Source, y?: Source) => [x?.kind, y?.kind] as const;
  const [a, b, c, d] = [...kinds(a0, a1), ...kinds(b0, b1)];
  return a !== b && a === d && b === c;
}

function say(source: Source): string {
  switch (source.kind) {
    case "none":
      return "left out";
    case "weight":
      return `the weight ${source.weight.name} (${source.weight.shape.join("×")})`;
    case "constant":
      return `a constant ${typeName(source.tensor.dataType)} of shape [${source.tensor.dims.join(", ")}]${small(source.tensor)}`;
    case "formal":
      return `the input ${source.name}`;
    case "node":
      return `what ${describe(source.site)} makes`;
  }
}

function small(tensor: TensorProto): string {
  if (Number(tensor.dataType) !== 7 || tensor.dims.some((d) => d > 8n)) return "";
  const bytes = rawBytes(tensor, "the model").slice();
  return ` (${[...new BigInt64Array(bytes.buffer)].join(", ")})`;
}

function sameAttribute(a: AttributeProto, b: AttributeProto): boolean {
  return (
    (a.i ?? 0n) === (b.i ?? 0n) &&
    Object.is(a.f ?? 0, b.f ?? 0) &&
    sameBytes(a.s ?? nothing, b.s ?? nothing) &&
    a.ints.length === b.ints.length && a.ints.every((x, i) => x === b.ints[i]) &&
    a.floats.length === b.floats.length && a.floats.every((x, i) => Object.is(x, b.floats[i])) &&
    a.strings.length === b.strings.length && a.strings.every((x, i) => sameBytes(x, b.strings[i] as Uint8Array)) &&
    (a.t === undefined) === (b.t === undefined) && (!a.t || !b.t || sameTensor(a.t, b.t, a.name ?? "")) &&
    a.tensors.length === b.tensors.length && a.tensors.every((x, i) => sameTensor(x, b.tensors[i] as TensorProto, a.name ?? ""))
  );
}

const nothing = new Uint8Array();

function sameTensor(a: TensorProto, b: TensorProto, where: string): boolean {
  if (a.dataType !== b.dataType || a.dims.length !== b.dims.length || a.dims.some((d, i) => d !== b.dims[i])) return false;
  if (elementBytes(Number(a.dataType ?? 0n)) === undefined) {
    return a.stringData.length === b.stringData.length && a.stringData.every((x, i) => sameBytes(x, b.stringData[i] as Uint8Array));
  }
  return sameBytes(rawBytes(a, where), rawBytes(b, where));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
