/** What each step is rounded to: nothing more than f32, or bfloat16 and float16 as mergekit's `dtype` has it. */
import { bf16FromF32, f32FromBf16 } from "../lib/bf16.ts";
import { f16FromF32, f32FromF16 } from "../lib/f16.ts";
import * as x from "./expression.ts";
import type { Float } from "./expression.ts";
import type { Dtype } from "./types.ts";

export interface Arithmetic {
  readonly dtype: Dtype;
  /** Rounds an expression, or a number. */
  round(a: Float): Float;
  scalar(value: number): number;
  add(a: Float, b: Float): Float;
  sub(a: Float, b: Float): Float;
  mul(a: Float, b: Float): Float;
  div(a: Float, b: Float): Float;
  /** Added in f32, from first to last, and rounded once at the end. */
  sum(terms: readonly Float[]): Float;
}

const rounders: Readonly<Record<Dtype, { round: (a: Float) => Float; scalar: (value: number) => number }>> = {
  float32: { round: (a) => a, scalar: Math.fround },
  bfloat16: { round: x.bf16, scalar: (value) => f32FromBf16(bf16FromF32(value)) },
  float16: { round: x.f16, scalar: (value) => f32FromF16(f16FromF32(value)) },
};

export function arithmetic(dtype: Dtype): Arithmetic {
  const { round, scalar } = rounders[dtype];
  // A product or quotient with 1 is the number itself, and that is rounded already.
  const rounded = (made: Float, from: Float) => (made === from ? from : round(made));
  return {
    dtype, round, scalar,
    add: (a, b) => round(x.add(a, b)),
    sub: (a, b) => round(x.sub(a, b)),
    mul: (a, b) => rounded(x.mul(a, b), a),
    div: (a, b) => rounded(x.div(a, b), a),
    sum: (terms) => (terms.length === 1 ? (terms[0] as Float) : round(x.sum(terms))),
  };
}
