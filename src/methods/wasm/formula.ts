/** A formula as one loop of WebAssembly SIMD, four elements a turn: every input element is loaded once. */
import type { Expression, Plan } from "../expression.ts";
import { Body, moduleOf, op, simd, V128 } from "./assemble.ts";

/**
 * Parameters of `run`, all i32: elements; index of the first in its tensor; address of numbers (f32), then cuts (threshold, below);
 * address of sums (4 f64 each), then counts (4 i32 each); address of the output; then one address each of
 * inputs, masks (i32, all bits or none), per-row numbers' place holders are among the numbers, columns.
 * Arrays are read and written in whole vectors: leave 12 bytes behind each.
 */
export const FIXED = { elements: 0, first: 1, numbers: 2, totals: 3, out: 4, arrays: 5 } as const;
/** Bytes of a sum and of a count in `totals`. */
export const SUM_BYTES = 32;
export const COUNT_BYTES = 16;

/** Places in `numbers`: numbers, per-row numbers, then two words a cut. */
export function wordsOf(plan: Plan): number {
  return plan.numbers.length + plan.rows.length + 2 * plan.cuts.length;
}

export function compile(plan: Plan): Uint8Array<ArrayBuffer> {
  const body = new Body(FIXED.arrays + plan.inputs.length + plan.masks.length + plan.columns.length);
  const at = body.local(0x7f); // byte offset of the turn
  const end = body.local(0x7f);
  const values = new Map(plan.nodes.map((node) => [node, body.local(V128)]));
  const { sums = [], counts = [], store } = plan.formula;
  const lanes = new Map<string, number>(); // totals, kept in locals over the loop
  const total = (name: string, offset: number) => {
    const local = body.local(V128);
    lanes.set(name, local);
    body.get(FIXED.totals).load(offset).set(local);
  };
  sums.forEach((_, i) => {
    total(`sum ${i} low`, SUM_BYTES * i);
    total(`sum ${i} high`, SUM_BYTES * i + 16);
  });
  counts.forEach((_, i) => total(`count ${i}`, SUM_BYTES * sums.length + COUNT_BYTES * i));

  const hoisted = (node: Expression) => node.op === "number" || node.op === "perRow";
  for (const node of plan.nodes) {
    if (!hoisted(node)) continue;
    const word = (plan.slot.get(node) as number) + (node.op === "perRow" ? plan.numbers.length : 0);
    body.get(FIXED.numbers).load32Splat(4 * word).set(values.get(node) as number);
  }
  const cutWord = plan.numbers.length + plan.rows.length;
  const cuts = plan.cuts.map((_, i) => {
    const [threshold, below] = [body.local(V128), body.local(V128)];
    body.get(FIXED.numbers).load32Splat(4 * (cutWord + 2 * i)).set(threshold);
    body.get(FIXED.numbers).load32Splat(4 * (cutWord + 2 * i + 1)).set(below);
    return { threshold, below };
  });
  const index = plan.cuts.length ? body.local(V128) : -1;
  if (index >= 0) body.get(FIXED.first).simd(simd.i32Splat).lanes(0, 1, 2, 3).simd(simd.i32Add).set(index);
  const valid = body.local(V128); // lanes of the last turn that are elements
  const scratch = body.local(V128);

  const load = (array: number) => body.get(FIXED.arrays + array).get(at).raw(op.i32.add).load();
  const emit = (node: Expression) => {
    const arg = (i: number) => body.get(values.get(node.args[i] as Expression) as number);
    const two = (code: number) => arg(0) && arg(1).simd(code);
    const slot = plan.slot.get(node) as number;
    switch (node.op) {
      case "number":
      case "perRow": return;
      case "input": load(slot); break;
      case "kept": load(plan.inputs.length + slot); break;
      case "perColumn": load(plan.inputs.length + plan.masks.length + slot); break;
      case "add": two(simd.f32Add); break;
      case "sub": two(simd.f32Sub); break;
      case "mul": two(simd.f32Mul); break;
      case "div": two(simd.f32Div); break;
      case "min": two(simd.f32Min); break;
      case "max": two(simd.f32Max); break;
      case "abs": arg(0).simd(simd.f32Abs); break;
      case "gt": two(simd.f32Gt); break;
      case "ge": two(simd.f32Ge); break;
      case "eq": two(simd.f32Eq); break;
      case "and": two(simd.and); break;
      case "or": two(simd.or); break;
      case "not": arg(0).simd(simd.not); break;
      case "differ": two(simd.i32Ne); break;
      case "flag": arg(0).splat(0x3f800000).simd(simd.and); break;
      case "select":
        arg(1);
        arg(2);
        arg(0).simd(simd.bitselect);
        break;
      case "finite": // the exponent is not all ones
        arg(0).splat(0x7f800000).simd(simd.and).splat(0x7f800000).simd(simd.i32Ne);
        break;
      case "inTop": {
        const { threshold, below } = cuts[slot] as (typeof cuts)[number];
        arg(0).splat(0x7fffffff).simd(simd.and).tee(scratch).get(threshold).simd(simd.i32GtS); // both without sign bit
        body.get(scratch).get(threshold).simd(simd.i32Eq).get(index).get(below).simd(simd.i32LtU).simd(simd.and).simd(simd.or);
        break;
      }
      case "bf16": // + 0x7fff, + the last bit that stays; a NaN stays as it is
        arg(0);
        arg(0).int(16).simd(simd.i32ShrU).splat(1).simd(simd.and).simd(simd.i32Add).splat(0x7fff).simd(simd.i32Add);
        body.splat(0xffff0000 | 0).simd(simd.and);
        arg(0);
        keepNaN(node);
        break;
      case "f16": halve(node); break;
    }
    body.set(values.get(node) as number);
  };
  /** On the stack: the rounded and the given value; on it after: the given one where that is NaN. */
  const keepNaN = (node: Expression) => {
    const given = values.get(node.args[0] as Expression) as number;
    body.get(given).get(given).simd(simd.f32Eq).simd(simd.bitselect);
  };
  const halve = (node: Expression) => {
    const given = values.get(node.args[0] as Expression) as number;
    const [size, out] = [body.local(V128), body.local(V128)];
    body.get(given).splat(0x7fffffff).simd(simd.and).set(size);
    // Normal halves: 13 bits go, ties to even.
    body.get(size).get(size).int(13).simd(simd.i32ShrU).splat(1).simd(simd.and).simd(simd.i32Add).splat(0xfff).simd(simd.i32Add).splat(~0x1fff).simd(simd.and).set(out);
    // 65520 and above: infinity.
    body.splat(0x7f800000).get(out).get(size).splat(0x477fefff).simd(simd.i32GtS).simd(simd.bitselect).set(out);
    // Below 2⁻¹⁴: steps of 2⁻²⁴, those of f32 at 0.5.
    body.get(size).splat(0x3f000000).simd(simd.f32Add).splat(0x3f000000).simd(simd.f32Sub);
    body.get(out).splat(0x38800000).get(size).simd(simd.i32GtS).simd(simd.bitselect);
    body.get(given).splat(0x80000000 | 0).simd(simd.and).simd(simd.or).get(given);
    keepNaN(node);
  };

  const turn = (masked: boolean) => {
    plan.nodes.forEach(emit);
    if (store) body.get(FIXED.out).get(at).raw(op.i32.add).get(values.get(store) as number).store();
    sums.forEach((node, i) => {
      const term = values.get(node) as number;
      const [low, high] = [lanes.get(`sum ${i} low`) as number, lanes.get(`sum ${i} high`) as number];
      const value = () => (masked ? body.get(term).get(valid).simd(simd.and) : body.get(term));
      body.get(low);
      value().simd(simd.f64Promote).simd(simd.f64Add).set(low);
      value().tee(scratch).get(scratch).shuffle(2, 3, 2, 3).set(scratch);
      body.get(high).get(scratch).simd(simd.f64Promote).simd(simd.f64Add).set(high);
    });
    counts.forEach((node, i) => {
      const count = lanes.get(`count ${i}`) as number;
      body.get(count).get(values.get(node) as number); // true is −1
      if (masked) body.get(valid).simd(simd.and);
      body.simd(simd.i32Sub).set(count);
    });
    if (index >= 0) body.get(index).splat(4).simd(simd.i32Add).set(index);
  };

  // Whole vectors, then what is left.
  body.get(FIXED.elements).int(~3).raw(op.i32.and).int(2).raw(op.i32.shl).set(end);
  body.raw(op.block, 0x40, op.loop, 0x40);
  body.get(at).get(end).raw(op.i32.geU, op.brIf, 1);
  turn(false);
  body.get(at).int(16).raw(op.i32.add).set(at);
  body.raw(op.br, 0, op.end, op.end);
  body.get(FIXED.elements).int(3).raw(op.i32.and, op.if, 0x40);
  body.lanes(0, 1, 2, 3).get(FIXED.elements).int(3).raw(op.i32.and).simd(simd.i32Splat).simd(simd.i32LtU).set(valid);
  turn(true);
  body.raw(op.end);

  sums.forEach((_, i) => {
    body.get(FIXED.totals).get(lanes.get(`sum ${i} low`) as number).store(SUM_BYTES * i);
    body.get(FIXED.totals).get(lanes.get(`sum ${i} high`) as number).store(SUM_BYTES * i + 16);
  });
  counts.forEach((_, i) => body.get(FIXED.totals).get(lanes.get(`count ${i}`) as number).store(SUM_BYTES * sums.length + COUNT_BYTES * i));
  return moduleOf(body);
}
