/**
 * Formulas over the elements of a tensor: what every method is written in. An expression gives one number (or truth) an element,
 * in f32, each operation rounded as IEEE says. `evaluate.ts` is the definition; `wasm/` and `wgsl/` are right when they agree.
 */

/** Where a selection cuts |x|: kept when its bits (31 of them) are above `threshold`, or equal and the element's index is below `below`. */
export interface Cut {
  readonly threshold: number;
  readonly below: number;
}

/** An element is kept at random: `u < density` by the published rule (docs/recipe.md), in whole numbers. */
export interface RandomMask {
  readonly kind: "random";
  /** FNV-1a 64 of `<expert>/<tensor>`, and the seed as a Philox key. */
  readonly name: readonly [number, number];
  readonly key: readonly [number, number];
  /** `keepBelow(density)`. */
  readonly below: number;
}

/** As `random`, but the chance grows with the rank of |of| in its row, the least first; equal ones: higher index first. */
export interface RankedMask {
  readonly kind: "ranked";
  readonly of: Float;
  readonly name: readonly [number, number];
  readonly key: readonly [number, number];
  /** `keepBelow` of the chance of each rank: as long as a row. */
  readonly below: Uint32Array;
}

export type Mask = RandomMask | RankedMask;

export type FloatOp = "input" | "number" | "perRow" | "perColumn" | "add" | "sub" | "mul" | "div" | "min" | "max" | "abs" | "flag" | "select" | "bf16" | "f16";
export type TruthOp = "gt" | "ge" | "eq" | "and" | "or" | "not" | "inTop" | "kept" | "differ" | "finite";

interface Node {
  readonly args: readonly Expression[];
  /** input: its position; number: its value. */
  readonly at: number;
  readonly cut?: Cut;
  readonly mask?: Mask;
  /** perRow: a number each row; perColumn: a number each element of a slice along dimension 0. */
  readonly values?: Float32Array;
}
export interface Float extends Node {
  readonly type: "float";
  readonly op: FloatOp;
}
export interface Truth extends Node {
  readonly type: "truth";
  readonly op: TruthOp;
}
export type Expression = Float | Truth;

const float = (op: FloatOp, args: readonly Expression[] = [], more: Partial<Node> = {}): Float => ({ type: "float", op, args, at: 0, ...more });
const truth = (op: TruthOp, args: readonly Expression[] = [], more: Partial<Node> = {}): Truth => ({ type: "truth", op, args, at: 0, ...more });

export const input = (at: number) => float("input", [], { at });
/** Rounded to f32. Which number is no part of a kernel's text, only that there is one. */
export const number = (value: number) => float("number", [], { at: Math.fround(value) });
export const perRow = (values: Float32Array) => float("perRow", [], { values });
export const perColumn = (values: Float32Array) => float("perColumn", [], { values });

export const add = (a: Float, b: Float) => float("add", [a, b]);
export const sub = (a: Float, b: Float) => float("sub", [a, b]);
export const mul = (a: Float, b: Float) => (b.op === "number" && b.at === 1 ? a : float("mul", [a, b]));
export const div = (a: Float, b: Float) => (b.op === "number" && b.at === 1 ? a : float("div", [a, b]));
/** A NaN stays one. */
export const min = (a: Float, b: Float) => float("min", [a, b]);
export const max = (a: Float, b: Float) => float("max", [a, b]);
export const abs = (a: Float) => float("abs", [a]);
/** 1 where true, 0 elsewhere. */
export const flag = (condition: Truth) => float("flag", [condition]);
export const select = (condition: Truth, yes: Float, no: Float) => float("select", [condition, yes, no]);
/** Rounded to the nearest bfloat16 or float16, ties to even. */
export const bf16 = (a: Float) => float("bf16", [a]);
export const f16 = (a: Float) => float("f16", [a]);

export const gt = (a: Float, b: Float) => truth("gt", [a, b]);
export const ge = (a: Float, b: Float) => truth("ge", [a, b]);
export const eq = (a: Float, b: Float) => truth("eq", [a, b]);
export const and = (a: Truth, b: Truth) => truth("and", [a, b]);
export const or = (a: Truth, b: Truth) => truth("or", [a, b]);
export const not = (a: Truth) => truth("not", [a]);
export const inTop = (of: Float, cut: Cut) => truth("inTop", [of], { cut });
export const kept = (mask: Mask) => truth("kept", [], { mask });
/** Not the same bits. */
export const differ = (a: Float, b: Float) => truth("differ", [a, b]);
export const finite = (a: Float) => truth("finite", [a]);

/** From the first to the last, one addition after the other. */
export function sum(terms: readonly Float[]): Float {
  return terms.length === 0 ? number(0) : terms.slice(1).reduce((total, term) => add(total, term), terms[0] as Float);
}

/** What one pass makes: an output element, f64 sums, counts. */
export interface Formula {
  readonly store?: Float;
  readonly sums?: readonly Float[];
  readonly counts?: readonly Truth[];
}

/** A formula in the order it is computed, with everything that may change between tensors taken out of `key`. */
export interface Plan {
  /** Equal for formulas that differ in numbers, cuts, masks and values only: one kernel serves them. */
  readonly key: string;
  /** Every expression once, arguments before what takes them. */
  readonly nodes: readonly Expression[];
  /** Of a node: its place in `nodes`. */
  readonly place: ReadonlyMap<Expression, number>;
  /** Of a leaf: its place among the leaves of its kind. */
  readonly slot: ReadonlyMap<Expression, number>;
  readonly inputs: readonly number[];
  readonly numbers: readonly number[];
  readonly cuts: readonly Cut[];
  readonly masks: readonly Mask[];
  readonly rows: readonly Float32Array[];
  readonly columns: readonly Float32Array[];
  readonly formula: Formula;
}

export function planOf(formula: Formula): Plan {
  const nodes: Expression[] = [];
  const place = new Map<Expression, number>();
  const slot = new Map<Expression, number>();
  const inputs: number[] = [], numbers: number[] = [], cuts: Cut[] = [], masks: Mask[] = [], rows: Float32Array[] = [], columns: Float32Array[] = [];
  const text: string[] = [];
  const claim = <T>(node: Expression, list: T[], value: T): number => {
    const at = list.push(value) - 1;
    slot.set(node, at);
    return at;
  };
  const leaf = (node: Expression): number | "" => {
    switch (node.op) {
      case "input": {
        const known = inputs.indexOf(node.at);
        if (known < 0) return claim(node, inputs, node.at);
        slot.set(node, known);
        return known;
      }
      case "number": return claim(node, numbers, node.at);
      case "perRow": return claim(node, rows, node.values as Float32Array);
      case "perColumn": return claim(node, columns, node.values as Float32Array);
      case "inTop": return claim(node, cuts, node.cut as Cut);
      case "kept": return claim(node, masks, node.mask as Mask);
      default: return "";
    }
  };
  const visit = (node: Expression): number => {
    const known = place.get(node);
    if (known !== undefined) return known;
    const args = node.args.map(visit);
    const at = nodes.push(node) - 1;
    place.set(node, at);
    text.push(`${node.op}${leaf(node)}(${args.join()})`);
    return at;
  };
  const roots = (list: readonly Expression[] = []) => list.map(visit).join();
  const store = formula.store ? visit(formula.store) : "";
  const ends = `|${store}|${roots(formula.sums)}|${roots(formula.counts)}`;
  return { key: text.join("") + ends, nodes, place, slot, inputs, numbers, cuts, masks, rows, columns, formula };
}
