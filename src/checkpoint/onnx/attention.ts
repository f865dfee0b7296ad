/**
 * Exports write attention out as reshapes, transposes, two products and a softmax; runtimes have one op for it
 * (com.microsoft MultiHeadAttention), which they put in by themselves only where weights are constants. Here it is put in where
 * weights are inputs: attention without a mask, all heads alike. What is masked or laid out otherwise stays as it is.
 */
import { attributeInt, DataType, type GraphProto, type ModelProto, newNode, type NodeProto, type TensorProto } from "./proto.ts";
import { rawBytes, shapeOf } from "./tensor.ts";
import { bodiesOf, constantTensor, dropDead } from "./weights.ts";

const DOMAIN = "com.microsoft";

/** True where the model was changed. */
export function fuseAttention(model: ModelProto): boolean {
  const { graph } = model;
  if (!graph || graph.node.some((node) => bodiesOf(node).length > 0)) return false; // bodies may read what lies in between
  const search = new Search(graph);
  const found = graph.node.map((node) => search.around(node)).filter((one) => one !== null);
  for (const { query, key, value, heads, scale, end } of found) {
    const number = (name: string, type: bigint, given: { i?: bigint; f?: number }) => ({ name, type, ...given, floats: [], ints: [], strings: [], tensors: [], graphs: [], unknown: [] });
    const node = newNode("MultiHeadAttention", [query, key, value], [...end.output], [number("num_heads", 2n, { i: BigInt(heads) }), number("scale", 1n, { f: scale })]);
    graph.node[graph.node.indexOf(end)] = { ...node, domain: DOMAIN };
  }
  if (found.length === 0) return false;
  dropDead(graph);
  if (!model.opsetImport.some(({ domain }) => domain === DOMAIN)) model.opsetImport.push({ domain: DOMAIN, version: 1n, unknown: [] });
  return true;
}

interface Found {
  /** Each `[samples × rows × (heads · size)]`. */
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly heads: number;
  readonly scale: number;
  /** The Reshape that puts the heads side by side again. */
  readonly end: NodeProto;
}

class Search {
  readonly #makers = new Map<string, NodeProto>();
  readonly #takers = new Map<string, NodeProto[]>();
  readonly #constants = new Map<string, TensorProto>();

  constructor(graph: GraphProto) {
    for (const tensor of graph.initializer) this.#constants.set(tensor.name ?? "", tensor);
    for (const node of graph.node) {
      const tensor = constantTensor(node);
      if (tensor) this.#constants.set(node.output[0] ?? "", tensor);
      for (const name of node.output) this.#makers.set(name, node);
      for (const name of node.input) this.#takers.set(name, [...(this.#takers.get(name) ?? []), node]);
    }
    for (const { name = "" } of graph.output) this.#takers.set(name, [...(this.#takers.get(name) ?? []), newNode("Output", [name], [])]);
  }

  /** The attention whose softmax this node is, or null. */
  around(softmax: NodeProto): Found | null {
    if (softmax.opType !== "Softmax" || softmax.domain) return null;
    if (attributeInt(softmax, "axis", -1n) !== -1n && attributeInt(softmax, "axis", -1n) !== 3n) return null;
    const scores = this.#scaled(softmax.input[0]);
    const product = this.#maker(scores.value, "MatMul");
    const left = this.#scaled(product?.input[0]);
    const right = this.#scaled(product?.input[1]);
    const query = this.#split(left.value, [0, 2, 1, 3]);
    const key = this.#split(right.value, [0, 2, 3, 1]) ?? this.#split(this.#swapped(right.value), [0, 2, 1, 3]);
    const weighted = this.#only(softmax, "MatMul");
    const value = weighted?.input[0] === softmax.output[0] ? this.#split(weighted?.input[1], [0, 2, 1, 3]) : null;
    const back = weighted && this.#only(weighted, "Transpose");
    const end = back && this.#permutes(back, [0, 2, 1, 3]) ? this.#merge(back, query) : null;
    if (!query || !key || !value || !end) return null;
    if (key.heads !== query.heads || key.size !== query.size || value.heads !== query.heads || value.size !== query.size) return null;
    return { query: query.from, key: key.from, value: value.from, heads: query.heads, scale: scores.by * left.by * right.by, end };
  }

  #maker(name: string | undefined, opType: string): NodeProto | null {
    const maker = this.#makers.get(name ?? "");
    return maker?.opType === opType && !maker.domain ? maker : null;
  }

  /** The one node that takes a node's output, if it is of this kind. */
  #only(node: NodeProto, opType: string): NodeProto | null {
    const takers = this.#takers.get(node.output[0] ?? "") ?? [];
    return takers.length === 1 && takers[0]?.opType === opType ? takers[0] : null;
  }

  /** Through multiplications with and divisions by constants. */
  #scaled(name: string | undefined): { value: string; by: number } {
    let [value, by] = [name ?? "", 1];
    for (;;) {
      const maker = this.#maker(value, "Mul") ?? this.#maker(value, "Div");
      const factor = this.#number(maker?.input[1]);
      if (!maker || factor === null) return { value, by };
      by = maker.opType === "Mul" ? by * factor : by / factor;
      value = maker.input[0] ?? "";
    }
  }

  /** Back through Transpose(Reshape(x)) from `[samples, heads, rows, size]` to x = `[samples, rows, heads · size]`. */
  #split(name: string | undefined, permutation: readonly number[]): { from: string; heads: number; size: number } | null {
    const transpose = this.#maker(name, "Transpose");
    const reshape = transpose && this.#permutes(transpose, permutation) ? this.#maker(transpose.input[0], "Reshape") : null;
    const [heads, size] = (reshape && this.#lastSizes(reshape.input[1], 4)) ?? [];
    return reshape?.input[0] && heads && size ? { from: reshape.input[0], heads, size } : null;
  }

  /** Before a Transpose of the last two axes. */
  #swapped(name: string | undefined): string | undefined {
    const transpose = this.#maker(name, "Transpose");
    return transpose && this.#permutes(transpose, [0, 1, 3, 2]) ? transpose.input[0] : undefined;
  }

  #permutes(node: NodeProto, permutation: readonly number[]): boolean {
    const given = node.attribute.find(({ name }) => name === "perm")?.ints ?? [];
    return given.length === 4 && permutation.every((axis, i) => Number(given[i]) === axis);
  }

  /** The Reshape that merges heads; besides it only shapes may be taken from the transposed value. */
  #merge(back: NodeProto, query: { heads: number; size: number } | null): NodeProto | null {
    const takers = this.#takers.get(back.output[0] ?? "") ?? [];
    const reshapes = takers.filter(({ opType }) => opType === "Reshape");
    const [end] = reshapes;
    if (!end || !query || reshapes.length !== 1 || takers.some(({ opType }) => opType !== "Reshape" && opType !== "Shape")) return null;
    const sizes = this.#lastSizes(end.input[1], 3);
    return sizes?.[1] === query.heads * query.size ? end : null;
  }

  /** The last two sizes of a shape of `rank` sizes that is a constant, or put together from constants at its end. */
  #lastSizes(name: string | undefined, rank: number): [number, number] | null {
    const whole = this.#integers(name);
    const concat = this.#maker(name, "Concat");
    const parts = whole ?? concat?.input.map((input) => this.#integers(input)?.[0] ?? Number.NaN) ?? [];
    if (parts.length !== rank) return null;
    return [parts[rank - 2] as number, parts[rank - 1] as number];
  }

  #integers(name: string | undefined): number[] | null {
    const tensor = this.#constants.get(name ?? "");
    if (!tensor || Number(tensor.dataType) !== DataType.int64) return null;
    const bytes = rawBytes(tensor, "the graph");
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return Array.from({ length: bytes.length / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
  }

  #number(name: string | undefined): number | null {
    const tensor = this.#constants.get(name ?? "");
    if (!tensor || Number(tensor.dataType) !== DataType.float32 || shapeOf(tensor, "the graph").some((d) => d !== 1)) return null;
    const bytes = rawBytes(tensor, "the graph");
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true);
  }
}
