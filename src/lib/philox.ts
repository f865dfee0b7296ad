/**
 * Philox4x32-10 (Salmon et al., SC'11): random numbers that are a function of (key, counter), so any one of them can be
 * had alone, in any order, on any thread. `philox.wgsl` gives the same bits.
 */
const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of a·b. Products of 16-bit halves stay below 2³², in doubles and in WGSL's u32 alike. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff, aHigh = a >>> 16;
  const bLow = b & 0xffff, bHigh = b >>> 16;
  const low = Math.imul(aLow, bLow) >>> 0;
  const middle = aHigh * bLow + (low >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (other >>> 16);
}

/** Writes four words. `out` is reused by callers: a mask of a model asks millions of times. */
export function philoxInto(
  out: Uint32Array, c0: number, c1: number, c2: number, c3: number, k0: number, k1: number,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0), low0 = Math.imul(M0, c0) >>> 0;
    const high1 = mulHigh(M1, c2), low1 = Math.imul(M1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c1 = low1;
    c3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

export type Key = readonly [number, number];
export type Counter = readonly [number, number, number, number];

export function philox(counter: Counter, key: Key): Uint32Array {
  const out = new Uint32Array(4);
  philoxInto(out, ...counter, ...key);
  return out;
}

/** A number in [0, 1) with 24 bits: the same in f32 and f64. */
export function uniform(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

/** A seed, an integer in 0..2⁵³−1, as a Philox key. */
export function seedKey(seed: number): Key {
  return [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
}
