/**
 * Ranks of |x| within rows, 0 the least: the one order of magnitudes that every selection follows. Larger |x| comes first; of
 * equal ones the lower index. Bits of |x| are in the order of |x|, NaN above all.
 */

/** `order[k]`: element of the row whose rank is k. `scratch`, `order`: as long as the row. Three radix digits of 11 bits (10 the last). */
export function ascending(bits: Int32Array, from: number, length: number, order: Uint32Array, scratch: Uint32Array): void {
  if (length <= SHORT) return ascendingShort(bits, from, length, order);
  // Backwards at first, and stably from there: among equals the higher index ranks lower.
  for (let i = 0; i < length; i++) scratch[i] = length - 1 - i;
  let [source, target] = [scratch, order];
  for (const shift of [0, 11, 22]) {
    counts.fill(0);
    for (let i = 0; i < length; i++) {
      const digit = (((bits[from + i] as number) & 0x7fffffff) >>> shift) & 2047;
      counts[digit] = (counts[digit] as number) + 1;
    }
    let before = 0;
    for (let digit = 0; digit < 2048; digit++) {
      const here = counts[digit] as number;
      counts[digit] = before;
      before += here;
    }
    for (let i = 0; i < length; i++) {
      const element = source[i] as number;
      const digit = (((bits[from + element] as number) & 0x7fffffff) >>> shift) & 2047;
      const at = counts[digit] as number;
      counts[digit] = at + 1;
      target[at] = element;
    }
    [source, target] = [target, source];
  }
}

const counts = new Uint32Array(2048);

/** For so few, going through the counts costs more than a sort. */
const SHORT = 1024;
const keys = new Float64Array(SHORT);

/** |x|'s bits, then the place from the end: 41 bits, exact in a double. */
function ascendingShort(bits: Int32Array, from: number, length: number, order: Uint32Array): void {
  for (let i = 0; i < length; i++) keys[i] = ((bits[from + i] as number) & 0x7fffffff) * SHORT + (length - 1 - i);
  const sorted = keys.subarray(0, length).sort();
  for (let rank = 0; rank < length; rank++) order[rank] = length - 1 - ((sorted[rank] as number) % SHORT);
}
