/**
 * Root-mean-square norms (T5's, Llama's; arXiv 1910.07467) as exports write them out: x · w / √(mean(x²) + ε) in six operators. Runtimes have one,
 * which they put in by themselves only where w is a constant. Here it is put in where w is an input, in bodies of If too.
 */
import { attributeInt, DataType, type GraphProto, newNode, type NodeProto, type TensorProto } from "./proto.ts";
import { rawBytes, shapeOf } from "./tensor.ts";
import { bodiesOf, constantTensor, dropDead } from "./weights.ts";

/** True where the graph was changed. `scales`: names of vectors that may scale a norm; the graph's own inputs of rank 1. */
export function fuseNorms(graph: GraphProto, scales: ReadonlySet<string> = vectorsOf(graph), outer: ReadonlyMap<string, TensorProto> = new Map()): boolean {
  const search = new Search(graph, outer);
  let changed = false;
  for (const node of graph.node) {
    for (const { graph: body } of bodiesOf(node)) changed = fuseNorms(body, scales, search.constants) || changed;
  }
  let here = false;
  graph.node.forEach((node, i) => {
    const found = search.ending(node, scales);
    if (!found) return;
    const attribute = (name: string, type: bigint, value: { i?: bigint; f?: number }) => ({ name, type, ...value, floats: [], ints: [], strings: [], tensors: [], graphs: [], unknown: [] });
    graph.node[i] = newNode("SimplifiedLayerNormalization", [found.x, found.scale], [...node.output], [attribute("axis", 2n, { i: -1n }), attribute("epsilon", 1n, { f: found.epsilon }), attribute("stash_type", 2n, { i: 1n })]);
    here = true;
  });
  if (here) dropDead(graph);
  return here || changed;
}

const vectorsOf = (graph: GraphProto): Set<string> => new Set(graph.input.filter(({ type }) => type?.tensorType?.shape?.dim.length === 1).map(({ name }) => name ?? ""));

class Search {
  readonly constants: Map<string, TensorProto>;
  readonly #makers = new Map<string, NodeProto>();

  constructor(graph: GraphProto, outer: ReadonlyMap<string, TensorProto>) {
    this.constants = new Map(outer);
    for (const tensor of graph.initializer) this.constants.set(tensor.name ?? "", tensor);
    for (const node of graph.node) {
      const tensor = constantTensor(node);
      if (tensor) this.constants.set(node.output[0] ?? "", tensor);
      for (const name of node.output) this.#makers.set(name, node);
    }
  }

  /** The norm whose last product this is, or null. */
  ending(node: NodeProto, scales: ReadonlySet<string>): { x: string; scale: string; epsilon: number } | null {
    if (node.opType !== "Mul" || node.domain) return null;
    const [a = "", b = ""] = node.input;
    const scale = scales.has(a) ? a : scales.has(b) ? b : null;
    if (scale === null) return null;
    const normed = this.#product(this.#bare(scale === a ? b : a));
    return normed && { ...normed, scale };
  }

  /** x · (1 / root), or x / root. */
  #product(name: string): { x: string; epsilon: number } | null {
    const quotient = this.#maker(name, "Div");
    if (quotient) return this.#rooted(quotient.input[1], quotient.input[0] ?? "");
    const [a = "", b = ""] = this.#maker(name, "Mul")?.input ?? [];
    return this.#inverse(a, b) ?? this.#inverse(b, a);
  }

  #inverse(name: string, x: string): { x: string; epsilon: number } | null {
    const reciprocal = this.#maker(name, "Reciprocal");
    if (reciprocal) return this.#rooted(reciprocal.input[0], x);
    const quotient = this.#maker(name, "Div");
    return quotient && this.#number(quotient.input[0]) === 1 ? this.#rooted(quotient.input[1], x) : null;
  }

  /** √(mean(x²) + ε) over the last axis, of this very x. */
  #rooted(name: string | undefined, x: string): { x: string; epsilon: number } | null {
    const sum = this.#maker(this.#maker(name, "Sqrt")?.input[0], "Add");
    const [a, b] = sum?.input ?? [];
    const [mean, epsilon] = this.#number(b) !== null ? [a, this.#number(b)] : [b, this.#number(a)];
    const reduced = this.#maker(mean, "ReduceMean");
    if (!reduced || epsilon === null || attributeInt(reduced, "keepdims", 1n) !== 1n || !this.#lastAxis(reduced)) return null;
    const squared = this.#squareOf(reduced.input[0]);
    return squared !== null && this.#bare(squared) === this.#bare(x) ? { x: this.#bare(x), epsilon } : null;
  }

  #lastAxis(node: NodeProto): boolean {
    const told = node.attribute.find(({ name }) => name === "axes")?.ints ?? this.#integers(node.input[1]) ?? [];
    return told.length === 1 && told[0] === -1n;
  }

  #squareOf(name: string | undefined): string | null {
    const power = this.#maker(name, "Pow");
    if (power) return this.#number(power.input[1]) === 2 ? (power.input[0] ?? null) : null;
    const [a, b] = this.#maker(name, "Mul")?.input ?? [];
    return a !== undefined && a === b ? a : null;
  }

  /** Before a Cast to float32: floats are all there is by now. */
  #bare(name: string): string {
    const cast = this.#maker(name, "Cast");
    return cast && attributeInt(cast, "to", 0n) === BigInt(DataType.float32) ? (cast.input[0] ?? name) : name;
  }

  #maker(name: string | undefined, opType: string): NodeProto | null {
    const maker = this.#makers.get(name ?? "");
    return maker?.opType === opType && !maker.domain ? maker : null;
  }

  #number(name: string | undefined): number | null {
    const tensor = this.constants.get(name ?? "");
    if (!tensor || Number(tensor.dataType) !== DataType.float32 || shapeOf(tensor, "the graph").some((size) => size !== 1)) return null;
    const bytes = rawBytes(tensor, "the graph");
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
  }

  #integers(name: string | undefined): bigint[] | null {
    const tensor = this.constants.get(name ?? "");
    if (!tensor || Number(tensor.dataType) !== DataType.int64) return null;
    const bytes = rawBytes(tensor, "the graph");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: bytes.length / 8 }, (_, i) => view.getBigInt64(8 * i, true));
  }
}
