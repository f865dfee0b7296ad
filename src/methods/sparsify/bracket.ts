/**
 * Cuts guessed from a sample: between which keys each must lie, so that only the few keys there need be counted one by one. Whether the guess
 * held is seen afterwards, from the counts: the result is exact, or none.
 */
import type { Target } from "./select.ts";

/** Standard deviations of a sample's count that a bracket leaves on either side. */
const DEVIATIONS = 6;
/** Bins of a bracket at most: 4 MiB. */
const MOST_BINS = 2 ** 20;
const HIGH_BINS = 65536;
/** Above every number, and still a positive i32. */
const TOP = 0x7fffffff;

export interface Bracket {
  readonly count: number;
  /** Keys from low to high − 1. */
  readonly low: number;
  readonly high: number;
  /** 16 where the lower half of every key is 0: a bin is a key of the upper half. */
  readonly shift: 0 | 16;
  readonly bins: number;
}

/** `sample`: high halves of keys that are never negative. Null where the bracket would be too wide. */
export function bracketOf(sample: Uint32Array, length: number, count: number, halves: boolean): Bracket | null {
  const sampled = sample.reduce((sum, bin) => sum + bin, 0);
  const share = count / length;
  const expected = share * sampled;
  const margin = DEVIATIONS * Math.sqrt(sampled * share * (1 - share)) + DEVIATIONS;
  let bin = HIGH_BINS / 2;
  let above = 0;
  while (bin > 0 && above + (sample[bin - 1] as number) < expected - margin) above += sample[--bin] as number;
  const high = bin;
  while (bin > 0 && above < expected + margin) above += sample[--bin] as number;
  const shift = halves ? 16 : 0;
  const bins = (high - bin) * (halves ? 1 : HIGH_BINS);
  return bins > MOST_BINS || high === bin ? null : { count, low: bin << 16, high: Math.min(high * HIGH_BINS, TOP), shift, bins };
}

/** `above`: keys above the bracket; `bins`: of those in it, zeros left out. Null where the guess did not hold. */
export function targetIn({ count, low, shift }: Bracket, above: number, bins: Uint32Array, length: number): Target | null {
  if (low === 0) bins[0] = length - above - bins.reduce((sum, bin) => sum + bin, 0);
  let wanted = count - above;
  if (wanted <= 0) return null;
  for (let bin = bins.length - 1; bin >= 0; bin--) {
    const equal = bins[bin] as number;
    if (equal >= wanted) return { count, high: -1, wanted, threshold: (low + bin * 2 ** shift) >>> 0, equal };
    wanted -= equal;
  }
  return null;
}
