/**
 * Ranks of |x| within rows, 0 the least: the one order of magnitudes that every selection follows. Larger |x| comes first; of
 * equal ones the lower index. Bits of |x| are in the order of |x|, NaN above all.
 */

/** For fewer, going through the counts costs more than a sort. */
const SHORT = 256;

/** `order[rank]`: element of the row. `order`, `scratch`: at least as long as the row. */
export function ascending(bits: Int32Array, from: number, length: number, order: Uint32Array, scratch: Uint32Array): void {
  if (length <= SHORT) ascendingShort(bits, from, length, order);
  else ascendingRadix(bits, from, length, order, scratch);
}

const first = new Uint32Array(2048), second = new Uint32Array(2048), third = new Uint32Array(1024);
const digits = [[first, 0], [second, 11], [third, 22]] as const;
let keys = [new Int32Array(0), new Int32Array(0)] as [Int32Array, Int32Array];
let between = new Uint32Array(0);

interface Moving {
  readonly elements: Uint32Array;
  readonly keys: Int32Array;
}

/**
 * Three digits of 11, 11 and 9 bits, the lowest first; all three are counted at once, and keys move along with their elements. A digit that is
 * the same in all keys (the lowest of bfloat16 numbers) orders nothing.
 */
function ascendingRadix(bits: Int32Array, from: number, length: number, order: Uint32Array, scratch: Uint32Array): void {
  if (between.length < length) {
    keys = [new Int32Array(length), new Int32Array(length)];
    between = new Uint32Array(length);
  }
  const [a, b] = keys;
  for (const counts of [first, second, third]) counts.fill(0);
  // Backwards at first, and stably from there: among equals the higher index ranks lower.
  for (let i = 0; i < length; i++) {
    const key = (bits[from + length - 1 - i] as number) & 0x7fffffff;
    a[i] = key;
    scratch[i] = length - 1 - i;
    first[key & 2047]!++; // a digit is a place in its counts
    second[(key >>> 11) & 2047]!++;
    third[key >>> 22]!++;
  }
  let here: Moving = { elements: scratch, keys: a };
  let there: Moving = { elements: between, keys: b };
  const some = a[0] as number;
  for (const [counts, shift] of digits) {
    if (counts[(some >>> shift) & 2047] === length) continue;
    begin(counts);
    move(here.elements, here.keys, there.elements, there.keys, length, counts, shift);
    [here, there] = [there, here];
  }
  order.set(here.elements.subarray(0, length));
}

/** Counts of digits → where each digit's elements begin. */
function begin(counts: Uint32Array): void {
  let before = 0;
  for (let digit = 0; digit < counts.length; digit++) {
    const here = counts[digit] as number;
    counts[digit] = before;
    before += here;
  }
}

function move(elements: Uint32Array, keys: Int32Array, toElements: Uint32Array, toKeys: Int32Array, length: number, places: Uint32Array, shift: number): void {
  for (let i = 0; i < length; i++) {
    const key = keys[i] as number;
    const digit = (key >>> shift) & 2047;
    const at = places[digit] as number;
    places[digit] = at + 1;
    toElements[at] = elements[i] as number;
    toKeys[at] = key;
  }
}

const short = new Float64Array(SHORT);

/** |x|'s bits, then the place from the end: 39 bits, exact in a double. */
function ascendingShort(bits: Int32Array, from: number, length: number, order: Uint32Array): void {
  for (let i = 0; i < length; i++) short[i] = ((bits[from + i] as number) & 0x7fffffff) * SHORT + (length - 1 - i);
  const sorted = short.subarray(0, length).sort();
  for (let rank = 0; rank < length; rank++) order[rank] = length - 1 - ((sorted[rank] as number) % SHORT);
}
