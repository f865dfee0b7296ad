/**
 * Classifiers read one row of the last layer (the class token, a pooled one), yet exports compute that layer for all rows.
 * Where a Gather of the first or last row feeds matrix products only, the row is taken as early as each row stands for itself:
 * before layer norms, projections, activations and the last attention's query. The numbers that are read stay what they were.
 */
import { attributeInt, DataType, type GraphProto, newNode, newTensor, type NodeProto } from "./proto.ts";
import { rawBytes } from "./tensor.ts";
import { bodiesOf, constantTensor, takenBy } from "./weights.ts";

/** Ops that work element by element, with broadcasting from the right. */
const elementwise = new Set(["Add", "Sub", "Mul", "Div", "Erf", "Tanh", "Sigmoid", "Relu", "Gelu", "Sqrt", "Pow", "Neg", "Exp", "Identity", "Dropout", "LeakyRelu", "Elu", "HardSwish", "Clip"]);

/** True where the graph was changed. */
export function narrowRows(graph: GraphProto): boolean {
  const facts = survey(graph);
  const rows = new Map<NodeProto, string>(); // narrowed nodes, and which row they are narrowed to
  /** Slots that want one row only, by value. */
  const wanted = new Map<string, { node: NodeProto; slot: number; row: string }[]>();
  const want = (node: NodeProto, slot: number, row: string) => {
    const value = node.input[slot] as string;
    wanted.set(value, [...(wanted.get(value) ?? []), { node, slot, row }]);
  };
  for (const node of [...graph.node].reverse()) {
    const start = rowOf(node, facts);
    if (start !== null) want(node, 0, start);
    const slots = matrixSlots(node, facts);
    const row = agreedRow(node, facts, wanted);
    if (slots === null || row === null) continue;
    rows.set(node, row);
    for (const slot of slots) want(node, slot, row);
  }
  let changed = false;
  for (const [value, uses] of wanted) {
    const maker = facts.makers.get(value);
    const already = maker ? rows.get(maker) : undefined;
    for (const row of new Set(uses.map((use) => use.row))) {
      const here = uses.filter((use) => use.row === row && rows.has(use.node));
      if (already === row || here.length === 0) continue; // the Gather itself may stay as it is
      takeRow(graph, value, row, here, maker);
      changed = true;
    }
  }
  return changed;
}

interface Facts {
  readonly makers: ReadonlyMap<string, NodeProto>;
  /** Nodes that take a value; bodies of branches count as one that wants all of it. */
  readonly takers: ReadonlyMap<string, readonly NodeProto[]>;
  /** Values that must be whole: outputs, and what bodies take from outside. */
  readonly whole: ReadonlySet<string>;
  /** Ranks of inputs and constants. */
  readonly ranks: ReadonlyMap<string, number>;
  /** Scalar integer constants. */
  readonly integers: ReadonlyMap<string, bigint>;
}

function survey(graph: GraphProto): Facts {
  const makers = new Map<string, NodeProto>();
  const takers = new Map<string, NodeProto[]>();
  const whole = new Set(graph.output.map((info) => info.name ?? ""));
  const ranks = new Map<string, number>();
  const integers = new Map<string, bigint>();
  const constant = (name: string, tensor: NonNullable<ReturnType<typeof constantTensor>>) => {
    ranks.set(name, tensor.dims.length);
    if (Number(tensor.dataType) !== DataType.int64 || tensor.dims.some((d) => d !== 1n)) return;
    const raw = rawBytes(tensor, "the graph");
    integers.set(name, new DataView(raw.buffer, raw.byteOffset, 8).getBigInt64(0, true));
  };
  for (const info of graph.input) if (info.type?.tensorType?.shape) ranks.set(info.name ?? "", info.type.tensorType.shape.dim.length);
  for (const tensor of graph.initializer) constant(tensor.name ?? "", tensor);
  for (const node of graph.node) {
    const tensor = constantTensor(node);
    if (tensor) constant(node.output[0] ?? "", tensor);
    for (const name of node.output) makers.set(name, node);
    for (const name of node.input) takers.set(name, [...(takers.get(name) ?? []), node]);
    for (const { graph: body } of bodiesOf(node)) takenBy(body, whole);
  }
  return { makers, takers, whole, ranks, integers };
}

/** "0" or "-1" where a node takes that row of a matrix a sample and hands it to matrix products only (so its input has rank 3). */
function rowOf(node: NodeProto, { takers, whole, integers, ranks }: Facts): string | null {
  if (node.opType !== "Gather" || node.domain || attributeInt(node, "axis", 0n) !== 1n) return null;
  const index = integers.get(node.input[1] ?? "");
  const [output = ""] = node.output;
  const used = takers.get(output) ?? [];
  // Only the first and the last row are the same whether or not an operand is broadcast along rows.
  if ((index !== 0n && index !== -1n) || ranks.get(node.input[1] ?? "") !== 0 || whole.has(output)) return null;
  return used.length > 0 && used.every((one) => one.opType === "Gemm" && one.input[0] === output) ? String(index) : null;
}

/** The row that all takers of a node's output want, or null. */
function agreedRow(node: NodeProto, { takers, whole }: Facts, wanted: ReadonlyMap<string, readonly { node: NodeProto; row: string }[]>): string | null {
  const [output = ""] = node.output;
  const uses = wanted.get(output) ?? [];
  const row = uses[0]?.row;
  if (row === undefined || whole.has(output) || node.output.slice(1).some((name) => takers.has(name) || whole.has(name))) return null;
  const all = (takers.get(output) ?? []).every((taker) => uses.some((use) => use.node === taker));
  return all && uses.every((use) => use.row === row) ? row : null;
}

/** Slots that hold a row a row of the output, where the node treats rows apart; null where it does not, or that is not known. */
function matrixSlots(node: NodeProto, facts: Facts): number[] | null {
  if (isAttention(node)) return [0]; // each row of the query looks at all rows of key and value
  if (node.domain) return null;
  const { ranks } = facts;
  if (node.opType === "LayerNormalization") return attributeInt(node, "axis", -1n) === -1n && isMatrix(node.input[0], facts) ? [0] : null;
  if (node.opType === "MatMul") return ranks.get(node.input[1] ?? "") === 2 && isMatrix(node.input[0], facts) ? [0] : null;
  if (!elementwise.has(node.opType ?? "")) return null;
  const slots: number[] = [];
  for (const [slot, name] of node.input.entries()) {
    if (!name || (ranks.get(name) ?? 2) <= 1) continue; // a scalar or a vector along the last axis: the same for every row
    if (!isMatrix(name, facts)) return null;
    slots.push(slot);
  }
  return slots.length > 0 ? slots : null;
}

const isAttention = (node: NodeProto): boolean => node.opType === "MultiHeadAttention" && node.input.length === 3;

/** True where a value surely has two axes or more. */
function isMatrix(name: string | undefined, facts: Facts, depth = 0): boolean {
  const rank = facts.ranks.get(name ?? "");
  if (rank !== undefined) return rank >= 2;
  const maker = facts.makers.get(name ?? "");
  if (maker && isAttention(maker)) return true;
  if (!maker || maker.domain || depth > 64) return false;
  if (maker.opType === "MatMul") return facts.ranks.get(maker.input[1] ?? "") === 2;
  if (maker.opType === "LayerNormalization") return isMatrix(maker.input[0], facts, depth + 1);
  return elementwise.has(maker.opType ?? "") && maker.input.some((input) => isMatrix(input, facts, depth + 1));
}

/** One Gather of a row, kept as an axis of length 1, for all slots in `uses`. */
function takeRow(graph: GraphProto, value: string, row: string, uses: readonly { node: NodeProto; slot: number }[], maker: NodeProto | undefined): void {
  const name = `${value}.row${row}`;
  const index = `${name}.index`;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(row), true);
  graph.initializer.push(newTensor({ name: index, dims: [1n], dataType: BigInt(DataType.int64), rawData: bytes }));
  const axis = { name: "axis", type: 2n, i: -2n, floats: [], ints: [], strings: [], tensors: [], graphs: [], unknown: [] };
  graph.node.splice(maker ? graph.node.indexOf(maker) + 1 : 0, 0, newNode("Gather", [value, index], [name], [axis]));
  for (const { node, slot } of uses) node.input[slot] = name;
}
