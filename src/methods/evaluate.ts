/** The definition of every expression: one array a node, one element after the other. What runs fast is right when it agrees with this. */
import { bf16FromF32, f32FromBf16 } from "../lib/bf16.ts";
import { f16FromF32, f32FromF16 } from "../lib/f16.ts";
import { philoxInto } from "../lib/philox.ts";
import { MASK_WORD } from "../lib/rules.ts";
import type { Expression, Float, Mask } from "./expression.ts";
import { ascending } from "./sparsify/rank.ts";

/** A truth is 1 or 0. `inputs`: whole tensors of this shape. */
export function evaluate(expression: Expression, inputs: readonly Float32Array[], shape: readonly number[]): Float32Array {
  const length = shape.reduce((product, side) => product * side, 1);
  const columns = shape.at(-1) ?? 1;
  const slice = length / (shape[0] ?? 1);
  const made = new Map<Expression, Float32Array>();
  const of = (node: Expression): Float32Array => {
    let values = made.get(node);
    if (!values) made.set(node, (values = compute(node)));
    return values;
  };
  const compute = (node: Expression): Float32Array => {
    const [a, b, c] = node.args.map(of) as [Float32Array, Float32Array, Float32Array];
    const each = (f: (i: number) => number) => {
      const out = new Float32Array(length);
      for (let i = 0; i < length; i++) out[i] = f(i);
      return out;
    };
    const at = (array: Float32Array, i: number) => array[i] as number;
    switch (node.op) {
      case "input": return inputs[node.at] as Float32Array;
      case "number": return each(() => node.at);
      case "perRow": return each((i) => at(node.values as Float32Array, Math.floor(i / columns)));
      case "perColumn": return each((i) => at(node.values as Float32Array, i % slice));
      case "add": return each((i) => at(a, i) + at(b, i));
      case "sub": return each((i) => at(a, i) - at(b, i));
      case "mul": return each((i) => at(a, i) * at(b, i));
      case "div": return each((i) => at(a, i) / at(b, i));
      case "min": return each((i) => Math.min(at(a, i), at(b, i)));
      case "max": return each((i) => Math.max(at(a, i), at(b, i)));
      case "abs": return each((i) => Math.abs(at(a, i)));
      case "flag": return a;
      case "select": return each((i) => (at(a, i) ? at(b, i) : at(c, i)));
      case "bf16": return each((i) => f32FromBf16(bf16FromF32(at(a, i))));
      case "f16": return each((i) => f32FromF16(f16FromF32(at(a, i))));
      case "gt": return each((i) => Number(at(a, i) > at(b, i)));
      case "ge": return each((i) => Number(at(a, i) >= at(b, i)));
      case "eq": return each((i) => Number(at(a, i) === at(b, i)));
      case "and": return each((i) => at(a, i) && at(b, i));
      case "or": return each((i) => at(a, i) || at(b, i));
      case "not": return each((i) => 1 - at(a, i));
      case "finite": return each((i) => Number(Number.isFinite(at(a, i))));
      case "differ": {
        const [x, y] = [bitsOf(a), bitsOf(b)];
        return each((i) => Number(x[i] !== y[i]));
      }
      case "inTop": {
        const bits = bitsOf(a);
        const { threshold, below } = node.cut ?? { threshold: 0, below: 0 };
        return each((i) => {
          const size = (bits[i] as number) & 0x7fffffff;
          return Number(size > threshold || (size === threshold && i < below));
        });
      }
      case "kept": return keeps(node.mask as Mask, length, columns, of);
    }
  };
  return of(expression);
}

function keeps(mask: Mask, length: number, columns: number, of: (node: Float) => Float32Array): Float32Array {
  const below = new Uint32Array(length);
  if (mask.kind === "random") below.fill(mask.below);
  else {
    const bits = bitsOf(of(mask.of));
    const [order, scratch] = [new Uint32Array(columns), new Uint32Array(columns)];
    for (let from = 0; from < length; from += columns) {
      ascending(bits, from, columns, order, scratch);
      order.forEach((element, rank) => (below[from + element] = mask.below[rank] as number));
    }
  }
  const words = new Uint32Array(4);
  return Float32Array.from({ length }, (_, i) => {
    philoxInto(words, Math.floor(i / 4) >>> 0, ...mask.name, MASK_WORD, ...mask.key);
    return Number((words[i & 3] as number) >>> 8 < (below[i] as number));
  });
}

const bitsOf = (values: Float32Array) => new Int32Array(values.buffer, values.byteOffset, values.length);
