/** DARE masks in bulk: 16 elements a turn, four Philox blocks side by side. The rule: src/lib/rules.ts. */
import { Body, I32, moduleOf, op, simd, V128 } from "./assemble.ts";

/**
 * Parameters of `run`, all i32: blocks of 16 elements; number of the first Philox block (four elements each); name low, high; key low, high;
 * `below`, or 0 for thresholds an element at the address that follows; that address; the output (i32, all bits or none).
 */
export const MASK_WORD_SPLAT = 0x4d41534b;

export function philoxModule(): Uint8Array<ArrayBuffer> {
  const body = new Body(9);
  const [turns, first, nameLow, nameHigh, keyLow, keyHigh, below, thresholds, out] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
  const v = () => body.local(V128);
  const [counter, m0, m1, limit, k0, k1] = [v(), v(), v(), v(), v(), v()];
  const c = [v(), v(), v(), v()] as const;
  const [wide, high0, low0, high1, low1] = [v(), v(), v(), v(), v()];
  const turn = body.local(I32);
  body.get(first).simd(simd.i32Splat).lanes(0, 1, 2, 3).simd(simd.i32Add).set(counter);
  body.splat(0xd2511f53 | 0).set(m0).splat(0xcd9e8d57 | 0).set(m1);
  body.get(below).simd(simd.i32Splat).set(limit);
  /** 32 × 32 → 64 bits, the halves apart. */
  const product = (a: number, m: number, high: number, low: number) => {
    body.get(a).get(m).simd(simd.i64ExtmulLowU).tee(wide).get(a).get(m).simd(simd.i64ExtmulHighU).tee(high).shuffle(0, 2, 4, 6).set(low);
    body.get(wide).get(high).shuffle(1, 3, 5, 7).set(high);
  };
  body.raw(op.block, 0x40, op.loop, 0x40);
  body.get(turn).get(turns).raw(op.i32.geU, op.brIf, 1);
  body.get(counter).set(c[0]);
  body.get(nameLow).simd(simd.i32Splat).set(c[1]);
  body.get(nameHigh).simd(simd.i32Splat).set(c[2]);
  body.splat(MASK_WORD_SPLAT).set(c[3]);
  body.get(keyLow).simd(simd.i32Splat).set(k0);
  body.get(keyHigh).simd(simd.i32Splat).set(k1);
  for (let round = 0; round < 10; round++) {
    product(c[0], m0, high0, low0);
    product(c[2], m1, high1, low1);
    body.get(high1).get(c[1]).simd(simd.xor).get(k0).simd(simd.xor).set(c[0]);
    body.get(high0).get(c[3]).simd(simd.xor).get(k1).simd(simd.xor).set(c[2]);
    body.get(low1).set(c[1]);
    body.get(low0).set(c[3]);
    body.get(k0).splat(0x9e3779b9 | 0).simd(simd.i32Add).set(k0);
    body.get(k1).splat(0xbb67ae85 | 0).simd(simd.i32Add).set(k1);
  }
  // Word w of block b is element 4b + w: a 4 × 4 transpose.
  const pair = (a: number, b: number, into: number, ...lanes: [number, number, number, number]) => body.get(a).get(b).shuffle(...lanes).set(into);
  pair(c[0], c[1], high0, 0, 4, 1, 5);
  pair(c[0], c[1], high1, 2, 6, 3, 7);
  pair(c[2], c[3], low0, 0, 4, 1, 5);
  pair(c[2], c[3], low1, 2, 6, 3, 7);
  const rows = [[high0, low0, [0, 1, 4, 5]], [high0, low0, [2, 3, 6, 7]], [high1, low1, [0, 1, 4, 5]], [high1, low1, [2, 3, 6, 7]]] as const;
  rows.forEach(([a, b, lanes], block) => {
    body.get(out);
    body.get(a).get(b).shuffle(lanes[0], lanes[1], lanes[2], lanes[3]).int(8).simd(simd.i32ShrU);
    body.get(below).raw(op.if, V128).get(limit).raw(0x05).get(thresholds).load(16 * block).raw(op.end);
    body.simd(simd.i32LtS).store(16 * block); // both below 2²⁵
  });
  body.get(counter).splat(4).simd(simd.i32Add).set(counter);
  for (const address of [out, thresholds]) body.get(address).int(64).raw(op.i32.add).set(address);
  body.get(turn).int(1).raw(op.i32.add).set(turn);
  body.raw(op.br, 0, op.end, op.end);
  return moduleOf(body);
}
