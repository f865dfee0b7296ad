/**
 * What is known of a graph's tensors before it runs: shapes, and the values of the small integer tensors that exports compute shapes with. A
 * size is a number or a symbol: two sizes that read the same are the same in every run; of others nothing is said. Every axis of every input
 * has a symbol of its own: names that exports give axes are not believed.
 */
import { attributeInt, DataType, type NodeProto, type TensorProto } from "./proto.ts";
import { rawBytes, shapeOf } from "./tensor.ts";

export type Size = number | string;
export type Shape = readonly Size[];

/** An int64 or bool tensor of rank 0 or 1; bools are 0 and 1. */
export interface Value {
  readonly sizes: Shape;
  readonly scalar: boolean;
  readonly bool: boolean;
}

export interface Known {
  readonly shape: Shape | null;
  readonly value: Value | null;
}

export const NOTHING: Known = { shape: null, value: null };
/** Longer vectors hold tables, not shapes. */
const LONGEST = 64;

let fresh = 0;
/** A size of which nothing is known but that it is one. */
export const unknownSize = (): string => `?${(fresh += 1)}`;

export function knownTensor(tensor: TensorProto): Known {
  const shape = shapeOf(tensor, "the graph");
  const [length = 1] = shape;
  const type = Number(tensor.dataType ?? 0n);
  if (tensor.dataLocation === 1n || (type !== DataType.int64 && type !== DataType.bool) || shape.length > 1 || length > LONGEST) return { shape, value: null };
  const bytes = rawBytes(tensor, "the graph");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizes = Array.from({ length }, (_, i) => (type === DataType.bool ? Number(bytes[i]) : Number(view.getBigInt64(8 * i, true))));
  return sizes.every(Number.isSafeInteger) ? ofValue({ sizes, scalar: shape.length === 0, bool: type === DataType.bool }) : { shape, value: null };
}

const ofValue = (value: Value): Known => ({ shape: value.scalar ? [] : [value.sizes.length], value });
const ofShape = (shape: Shape | null): Known => ({ shape, value: null });

/** Of a node's first output; of If, Loop and Scan nothing. `inputs` in the node's order, `NOTHING` for one that is left out. */
export function knownOf(node: NodeProto, inputs: readonly Known[]): Known {
  if (node.domain && node.domain !== "ai.onnx" && node.domain !== "com.microsoft") return NOTHING;
  return rules[node.opType ?? ""]?.(node, inputs) ?? NOTHING;
}

type Rule = (node: NodeProto, inputs: readonly Known[]) => Known;

const first = (inputs: readonly Known[]): Known => inputs[0] ?? NOTHING;
const second = (inputs: readonly Known[]): Known => inputs[1] ?? NOTHING;
const third = (inputs: readonly Known[]): Known => inputs[2] ?? NOTHING;

const asFirst: Rule = (_, inputs) => ofShape(first(inputs).shape);
const spread: Rule = (_, inputs) => ofShape(broadcast(inputs.map(({ shape }) => shape)));

const rules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(["Relu", "Sigmoid", "Tanh", "Erf", "Gelu", "QuickGelu", "FastGelu", "Sqrt", "Reciprocal", "Neg", "Abs", "Log", "Exp", "Sin", "Cos", "Not", "IsNaN", "Softmax", "LogSoftmax", "LayerNormalization", "SimplifiedLayerNormalization", "Trilu", "ScatterND", "Clip", "Floor"].map((op) => [op, asFirst])),
  ...Object.fromEntries(["Pow", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Min", "Max", "Mod"].map((op) => [op, spread])),
  Identity: (_, inputs) => first(inputs),
  Cast: (node, inputs) => {
    const { shape, value } = first(inputs);
    return { shape, value: value && !value.bool && attributeInt(node, "to", 0n) === BigInt(DataType.int64) ? value : null };
  },
  Add: (_, inputs) => arithmetic(inputs, add),
  Sub: (_, inputs) => arithmetic(inputs, (a, b) => (b === 0 ? a : typeof a === "number" && typeof b === "number" ? a - b : a === b ? 0 : null)),
  Mul: (_, inputs) => arithmetic(inputs, multiply),
  Div: (_, inputs) => arithmetic(inputs, (a, b) => (b === 1 ? a : typeof a === "number" && typeof b === "number" && a >= 0 && b > 0 ? Math.floor(a / b) : null)),
  Equal: (_, inputs) => arithmetic(inputs, (a, b) => (a === b ? 1 : typeof a === "number" && typeof b === "number" ? 0 : negative(a) || negative(b) ? 0 : null), true),
  Where: (_, inputs) => {
    const [condition, yes, no] = inputs.map(({ value }) => value);
    const shape = broadcast(inputs.map((one) => one.shape));
    const sizes = condition && yes && no && shape && shape.length <= 1 ? chosen(condition, yes, no, Number(shape[0] ?? 1)) : null;
    return sizes && yes ? ofValue({ sizes, scalar: shape?.length === 0, bool: yes.bool }) : ofShape(shape);
  },
  Shape: (node, inputs) => {
    const { shape } = first(inputs);
    if (!shape) return ofShape([unknownSize()]);
    const place = (name: string, otherwise: number) => clamp(Number(attributeInt(node, name, BigInt(otherwise))), shape.length);
    return ofValue({ sizes: shape.slice(place("start", 0), place("end", shape.length)), scalar: false, bool: false });
  },
  Gather: (node, inputs) => {
    const [data, at] = [first(inputs), second(inputs)];
    const axis = Number(attributeInt(node, "axis", 0n));
    if (data.value && !data.value.scalar && at.value && axis === 0) {
      const from = data.value.sizes;
      const sizes = at.value.sizes.map((i) => (typeof i === "number" ? from[i < 0 ? i + from.length : i] : undefined));
      if (sizes.every((size) => size !== undefined)) return ofValue({ sizes: sizes as Size[], scalar: at.value.scalar, bool: data.value.bool });
    }
    if (!data.shape || !at.shape) return NOTHING;
    const place = axis < 0 ? axis + data.shape.length : axis;
    return ofShape([...data.shape.slice(0, place), ...at.shape, ...data.shape.slice(place + 1)]);
  },
  Unsqueeze: (node, inputs) => {
    const { shape, value } = first(inputs);
    const axes = integers(node, "axes", inputs[1]);
    if (!shape || !axes) return NOTHING;
    if (value?.scalar && axes.length === 1) return ofValue({ ...value, scalar: false });
    const rank = shape.length + axes.length;
    const ones = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
    const rest = [...shape];
    return ofShape(Array.from({ length: rank }, (_, i) => (ones.has(i) ? 1 : (rest.shift() as Size))));
  },
  Squeeze: (node, inputs) => {
    const { shape, value } = first(inputs);
    const axes = integers(node, "axes", inputs[1]);
    if (!shape || !axes) return NOTHING;
    if (value && !value.scalar && value.sizes.length === 1) return ofValue({ ...value, scalar: true });
    const gone = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
    return ofShape(shape.filter((_, i) => !gone.has(i)));
  },
  Concat: (node, inputs) => {
    if (inputs.every(({ value }) => value && !value.scalar)) {
      const values = inputs.map(({ value }) => value as Value);
      const sizes = values.flatMap((value) => value.sizes);
      if (sizes.length <= LONGEST) return ofValue({ sizes, scalar: false, bool: values[0]?.bool ?? false });
    }
    const shapes = inputs.map(({ shape }) => shape);
    const rank = shapes[0]?.length ?? 0;
    if (shapes.some((shape) => shape?.length !== rank)) return NOTHING;
    const told = Number(attributeInt(node, "axis", 0n));
    const axis = told < 0 ? told + rank : told;
    return ofShape(Array.from({ length: rank }, (_, i) => {
      const sizes = shapes.map((shape) => (shape as Shape)[i] as Size);
      return i === axis ? sizes.reduce((sum, size) => add(sum, size) ?? unknownSize()) : (sizes.find((size) => typeof size === "number") ?? (sizes[0] as Size));
    }));
  },
  Slice: (node, inputs) => {
    const { shape, value } = first(inputs);
    const [starts, ends, steps] = [integers(node, "starts", inputs[1]), integers(node, "ends", inputs[2]), integers(node, "steps", inputs[4])];
    const whole = starts?.length === 1 && ends?.length === 1 && (steps === null ? !node.input[4] : steps.every((step) => step === 1));
    if (value && !value.scalar && whole) return ofValue({ ...value, sizes: value.sizes.slice(clamp(starts[0] as number, value.sizes.length), clamp(ends[0] as number, value.sizes.length)) });
    const axes = integers(node, "axes", inputs[3]) ?? (node.input[3] ? null : starts?.map((_, i) => i));
    if (!shape || !axes) return NOTHING;
    const cut = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
    return ofShape(shape.map((size, i) => (cut.has(i) ? unknownSize() : size)));
  },
  Reshape: (node, inputs) => {
    const [{ shape, value }, target] = [first(inputs), second(inputs).value];
    if (!target || target.scalar) return NOTHING;
    if (value && target.sizes.length <= 1 && target.sizes.every((size) => size === -1 || size === value.sizes.length)) return ofValue({ ...value, scalar: target.sizes.length === 0 });
    return ofShape(reshaped(shape, target.sizes, attributeInt(node, "allowzero", 0n) === 1n));
  },
  Transpose: (node, inputs) => {
    const { shape } = first(inputs);
    const order = node.attribute.find(({ name }) => name === "perm")?.ints.map(Number) ?? shape?.map((_, i) => shape.length - 1 - i);
    return ofShape(shape && order?.length === shape.length ? order.map((i) => shape[i] as Size) : null);
  },
  Expand: (_, inputs) => {
    const target = second(inputs).value?.sizes;
    return ofShape(!target || target.some(negative) ? null : broadcast([first(inputs).shape, target]));
  },
  Range: (_, inputs) => {
    const [start, limit, step] = inputs.map(({ value }) => value?.sizes[0]);
    return ofShape([start === 0 && step === 1 && limit !== undefined && !negative(limit) ? limit : unknownSize()]);
  },
  ConstantOfShape: (node, inputs) => {
    const target = first(inputs).value;
    if (!target) return NOTHING;
    const fill = node.attribute.find(({ name }) => name === "value")?.t;
    const [number] = (fill && knownTensor(fill).value?.sizes) ?? [];
    const [length] = target.sizes;
    if (number === undefined || target.sizes.length !== 1 || typeof length !== "number" || length > LONGEST) return ofShape(target.sizes);
    return ofValue({ sizes: new Array<Size>(length).fill(number), scalar: false, bool: Number(fill?.dataType) === DataType.bool });
  },
  MatMul: (_, inputs) => {
    const [a, b] = [first(inputs).shape, second(inputs).shape];
    if (!a || !b || a.length < 2 || b.length < 2) return NOTHING;
    const batch = broadcast([a.slice(0, -2), b.slice(0, -2)]);
    return ofShape(batch && [...batch, a.at(-2) as Size, b.at(-1) as Size]);
  },
  MultiHeadAttention: (_, inputs) => {
    const [query, value] = [first(inputs).shape, third(inputs).shape];
    return ofShape(query?.length === 3 && value?.length === 3 ? [query[0] as Size, query[1] as Size, value[2] as Size] : null);
  },
  ReduceMean: (node, inputs) => {
    const { shape } = first(inputs);
    const axes = integers(node, "axes", inputs[1]);
    if (!shape || !axes || attributeInt(node, "keepdims", 1n) !== 1n) return NOTHING;
    const gone = new Set(axes.map((axis) => (axis < 0 ? axis + shape.length : axis)));
    return ofShape(shape.map((size, i) => (gone.has(i) ? 1 : size)));
  },
};

/** Integers of an attribute (as older operators have it) or of an input that is all numbers. */
function integers(node: NodeProto, attribute: string, input: Known | undefined): number[] | null {
  const told = node.attribute.find(({ name }) => name === attribute)?.ints;
  if (told && told.length > 0) return told.map(Number);
  const sizes = input?.value?.sizes;
  return sizes?.every((size) => typeof size === "number") ? [...(sizes as number[])] : null;
}

/** As Shape and Slice count from the end, and stop at both. */
const clamp = (place: number, length: number): number => Math.max(0, Math.min(length, place < 0 ? place + length : place));

/** Sizes are never negative; -1 stands for one that is to be found. */
const negative = (size: Size): boolean => typeof size === "number" && size < 0;

function add(a: Size, b: Size): Size | null {
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (a === 0 || b === 0) return a === 0 ? b : a;
  return negative(a) || negative(b) ? null : `(${[a, b].map(String).sort().join("+")})`;
}

function multiply(a: Size, b: Size): Size | null {
  if (typeof a === "number" && typeof b === "number") return a * b;
  if (a === 1 || b === 1) return a === 1 ? b : a;
  if (a === 0 || b === 0) return 0;
  return negative(a) || negative(b) ? null : `(${[a, b].map(String).sort().join("*")})`;
}

function arithmetic(inputs: readonly Known[], of: (a: Size, b: Size) => Size | null, bool = false): Known {
  const shape = broadcast(inputs.map((one) => one.shape));
  const [a, b] = [first(inputs).value, second(inputs).value];
  if (!a || !b || !shape || shape.length > 1) return ofShape(shape);
  const sizes = Array.from({ length: Number(shape[0] ?? 1) }, (_, i) => of(at(a, i), at(b, i)));
  return sizes.every((size) => size !== null) ? ofValue({ sizes, scalar: shape.length === 0, bool }) : ofShape(shape);
}

/** Element of a value that stands for all places where it is the only one. */
const at = ({ sizes }: Value, i: number): Size => sizes[sizes.length === 1 ? 0 : i] as Size;

function chosen(condition: Value, yes: Value, no: Value, length: number): Size[] | null {
  const sizes = Array.from({ length }, (_, i) => {
    const which = at(condition, i);
    return typeof which !== "number" ? null : at(which === 1 ? yes : no, i);
  });
  return sizes.every((size) => size !== null) ? sizes : null;
}

export function broadcast(shapes: readonly (Shape | null)[]): Shape | null {
  if (shapes.length === 0 || shapes.some((shape) => shape === null)) return null;
  const known = shapes as readonly Shape[];
  const rank = Math.max(...known.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => known.map((shape) => shape[i - rank + shape.length] ?? 1).reduce(joined));
}

function joined(a: Size, b: Size): Size {
  if (a === b || b === 1) return a;
  if (a === 1) return b;
  if (typeof a === "number") return a;
  return typeof b === "number" ? b : unknownSize(); // one of them is 1, or both are the same: who knows
}

/** Shape after a Reshape to `target`; what -1 stands for is found where sizes cancel. */
function reshaped(from: Shape | null, target: Shape, zeros: boolean): Shape | null {
  if (!zeros && !from && target.includes(0)) return null;
  const told = target.map((size, i) => (size === 0 && !zeros ? ((from as Shape)[i] ?? unknownSize()) : size));
  const open = told.indexOf(-1);
  if (open === -1) return told;
  const rest = from && cancelled(from, told.filter((_, i) => i !== open));
  return told.map((size, i) => (i === open ? (rest ?? unknownSize()) : size));
}

/** Product of `all` over product of `some`, or null where that is no one number or symbol. */
function cancelled(all: Shape, some: Shape): Size | null {
  const symbols = all.filter((size) => typeof size === "string");
  let number = all.reduce<number>((product, size) => product * (typeof size === "number" ? size : 1), 1);
  for (const size of some) {
    if (typeof size === "number") {
      if (size <= 0 || number % size !== 0) return null;
      number /= size;
    } else {
      const place = symbols.indexOf(size);
      if (place === -1) return null;
      symbols.splice(place, 1);
    }
  }
  if (symbols.length === 0) return number;
  return symbols.length === 1 && number === 1 ? (symbols[0] as Size) : null;
}
