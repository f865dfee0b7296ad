/**
 * Exports compute every shape anew: of the 240 operators that one token of the bundled T5 takes, more than half do nothing else, a microsecond or
 * two each. Where a shape is known beforehand (`sizes.ts`) it becomes a constant, a Reshape to one; what is computed twice is taken from the first.
 */
import { DataType, type GraphProto, newTensor, type NodeProto, attributeInt } from "./proto.ts";
import { type Known, knownOf, knownTensor, NOTHING, type Shape, type Value } from "./sizes.ts";
import { bodiesOf, constantTensor, dropDead } from "./weights.ts";

/** True where the graph was changed. */
export function foldShapes(graph: GraphProto): boolean {
  return new Folding(graph, null).fold();
}

class Folding {
  readonly #graph: GraphProto;
  readonly #outer: Folding | null;
  readonly #known = new Map<string, Known>();
  /** Names that mean another tensor now. */
  readonly #renamed = new Map<string, string>();
  /** By what a small integer tensor holds: the first that holds it. */
  readonly #holders = new Map<string, string>();
  readonly #outputs: ReadonlySet<string>;
  /** Names of constants begin with it; a body's are none of the graph's around it. */
  readonly #prefix: string;
  #constants = 0;
  #bodies = 0;
  #changed = false;

  constructor(graph: GraphProto, outer: Folding | null) {
    this.#graph = graph;
    this.#outer = outer;
    this.#prefix = outer === null ? "sizes" : `${outer.#prefix}.${(outer.#bodies += 1)}`;
    this.#outputs = new Set(graph.output.map(({ name }) => name ?? ""));
    for (const { name = "", type } of graph.input) {
      const dims = type?.tensorType?.shape?.dim;
      this.#known.set(name, { shape: dims ? dims.map(({ dimValue = 0n }, axis) => (dimValue > 0n ? Number(dimValue) : `${name}:${axis}`)) : null, value: null });
    }
    for (const tensor of graph.initializer) this.#learn(tensor.name ?? "", knownTensor(tensor));
  }

  fold(): boolean {
    for (const node of this.#graph.node) {
      node.input = node.input.map((name) => this.#nameOf(name));
      for (const { graph } of bodiesOf(node)) this.#changed = new Folding(graph, this).fold() || this.#changed;
      const constant = constantTensor(node);
      const known = constant ? knownTensor(constant) : knownOf(node, node.input.map((name) => this.#knownOf(name)));
      const [output = ""] = node.output;
      if (node.opType === "Reshape") this.#aim(node);
      if (node.opType === "Expand" && this.#isWhole(node, known)) this.#rename(output, node.input[0] as string);
      else this.#learn(output, known, !constant);
    }
    if (this.#changed) dropDead(this.#graph);
    return this.#changed;
  }

  /** Notes what a tensor is; where another holds the same, or a constant can (`computed`), that one is taken from here on. */
  #learn(name: string, known: Known, computed = false): void {
    if (name === "") return; // left out
    this.#known.set(name, known);
    if (!known.value) return;
    const key = keyOf(known.value);
    const holder = this.#holderOf(key);
    if (holder !== null && computed) this.#rename(name, holder);
    else if (computed && known.value.sizes.every((size) => typeof size === "number")) this.#rename(name, this.#constant(known.value));
    else if (holder === null) this.#holders.set(key, name);
  }

  /** Gives a Reshape a constant to go by: 0 where a size stays in its place, -1 for one that does not. */
  #aim(node: NodeProto): void {
    const [data = "", target = ""] = node.input;
    const value = this.#knownOf(target).value;
    const { shape } = this.#knownOf(data);
    if (!value || value.scalar || !shape || attributeInt(node, "allowzero", 0n) === 1n || value.sizes.every((size) => typeof size === "number")) return;
    const sizes = value.sizes.map((size, i) => (typeof size === "number" ? size : shape[i] === size ? 0 : -1));
    if (sizes.filter((size) => size === -1).length > 1) return;
    node.input[1] = this.#constant({ sizes, scalar: false, bool: false });
    this.#changed = true;
  }

  /** An Expand to the shape its tensor has. */
  #isWhole(node: NodeProto, { shape }: Known): boolean {
    const [data = "", target = ""] = node.input;
    const had = this.#knownOf(data).shape;
    return shape !== null && had !== null && this.#knownOf(target).value !== null && same(shape, had) && !this.#outputs.has(node.output[0] ?? "");
  }

  #rename(name: string, to: string): void {
    if (this.#outputs.has(name)) return;
    this.#renamed.set(name, to);
    this.#changed = true;
  }

  #constant(value: Value): string {
    const key = keyOf(value);
    const holder = this.#holderOf(key);
    if (holder !== null) return holder;
    const name = `${this.#prefix}:${(this.#constants += 1)}`;
    const dims = value.scalar ? [] : [BigInt(value.sizes.length)];
    const numbers = value.sizes.map(Number);
    const rawData = value.bool ? Uint8Array.from(numbers) : new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer);
    this.#graph.initializer.push(newTensor({ name, dims, dataType: BigInt(value.bool ? DataType.bool : DataType.int64), rawData }));
    this.#known.set(name, { shape: dims.map(Number), value });
    this.#holders.set(key, name);
    return name;
  }

  #nameOf(name: string): string {
    const renamed = this.#renamed.get(name);
    if (renamed !== undefined) return renamed;
    return this.#outer === null || this.#known.has(name) ? name : this.#outer.#nameOf(name);
  }

  #knownOf(name: string): Known {
    return this.#known.get(name) ?? (this.#outer === null ? NOTHING : this.#outer.#knownOf(name));
  }

  #holderOf(key: string): string | null {
    return this.#holders.get(key) ?? (this.#outer === null ? null : this.#outer.#holderOf(key));
  }
}

const keyOf = ({ sizes, scalar, bool }: Value): string => JSON.stringify([bool, scalar, sizes]);
const same = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((size, i) => size === b[i]);
