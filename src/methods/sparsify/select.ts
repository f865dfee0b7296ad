/**
 * Exact selection without a sort: a radix select on 32-bit keys whose unsigned order is the order wanted. Two histograms, of the
 * high and of the low half, find the key at which to cut, and how many of those equal to it are still kept. Keys of bfloat16 numbers
 * end with their high half: one histogram tells all, and marks on the way tell how many equal ones lie before a place.
 */
const BINS = 65536;

export type Half = "high" | "low";

/** Keys of one bin of the high half: as a list where they are few, else (and for whoever counts elsewhere) as a histogram. */
interface Narrowed {
  readonly high: number;
  readonly expected: number;
  list: Uint16Array | null;
  listed: number;
  bins: Uint32Array | null;
}

/** Sorting so many is less work than going through a histogram. */
const FEW = 4096;

/** High halves: one histogram is in use at a time where a tensor is small, so it is kept for the next. */
const spare: Uint32Array[] = [];
const MOST_SPARE = 64;

interface Mark {
  readonly from: number;
  /** Counts of the high half before it. */
  readonly before: Uint32Array;
}

export interface SelectOptions {
  /** The low half of every key is 0. */
  readonly halves?: boolean;
}

/** One selection under way; any number of cuts share its two passes, over one tensor or many. */
export class RadixSelect {
  readonly halves: boolean;
  readonly #marks: Mark[] = [];
  #high = spare.pop() ?? new Uint32Array(BINS);
  /** Bins of the high half that hold something lie within. */
  #lowest = BINS;
  #highest = -1;
  readonly #low = new Map<number, Narrowed>();
  readonly #targets: Target[];

  /** `keep`: how many of the largest, for each cut. */
  constructor(keep: readonly number[], { halves = false }: SelectOptions = {}) {
    this.halves = halves;
    this.#targets = keep.map((count) => ({ count, high: -1, wanted: count, threshold: 0xffffffff, equal: 0 }));
  }

  /** Histograms of one half, to be added to: the keys that count (those with these upper bits; null: all), and where. */
  bins(half: Half): readonly { readonly high: number | null; readonly bins: Uint32Array }[] {
    if (half === "high") {
      [this.#lowest, this.#highest] = [0, BINS - 1];
      return [{ high: null, bins: this.#high }];
    }
    return [...this.#low.values()].map((narrowed) => ({ high: narrowed.high, bins: (narrowed.bins ??= new Uint32Array(BINS)) }));
  }

  count(half: Half, keys: Int32Array, length: number): void {
    if (half === "high") {
      const bins = this.#high;
      let [lowest, highest] = [this.#lowest, this.#highest];
      for (let i = 0; i < length; i++) {
        const bin = (keys[i] as number) >>> 16;
        bins[bin] = (bins[bin] as number) + 1;
        if (bin < lowest) lowest = bin;
        if (bin > highest) highest = bin;
      }
      [this.#lowest, this.#highest] = [lowest, highest];
      return;
    }
    for (const narrowed of this.#low.values()) collect(narrowed, keys, length);
  }

  /** Keys from here on are those of element `from` and what follows. */
  mark(from: number): void {
    this.#marks.push({ from, before: this.#high.slice() });
  }

  /** Where the search for the `wanted`th key of this value may begin, and how many are wanted from there. */
  before(threshold: number, wanted: number): { readonly from: number; readonly wanted: number } {
    let nearest = { from: 0, wanted };
    for (const { from, before } of this.#marks) {
      const passed = before[threshold >>> 16] as number;
      if (passed < wanted) nearest = { from, wanted: wanted - passed };
    }
    return nearest;
  }

  /** Between the halves: in which bin each cut lies. */
  narrow(): void {
    for (const target of this.#targets) {
      if (target.count === 0) continue;
      const high = descend(this.#high, this.#highest, target);
      target.high = high;
      if (this.halves) {
        target.threshold = (high << 16) >>> 0;
        target.equal = this.#high[high] as number;
        continue;
      }
      if (!this.#low.has(high)) this.#low.set(high, { high, expected: this.#high[high] as number, list: null, listed: 0, bins: null });
    }
    if (spare.length >= MOST_SPARE) return;
    spare.push(this.#high.fill(0, this.#lowest, this.#highest + 1));
    this.#high = new Uint32Array(0); // another's now
  }

  finish(): readonly Readonly<Target>[] {
    for (const target of this.#targets) {
      if (target.count === 0 || this.halves) continue;
      const narrowed = this.#low.get(target.high) as Narrowed; // made in `narrow`
      const low = narrowed.bins ? descend(narrowed.bins, BINS - 1, target) : descendList(narrowed, target);
      target.threshold = ((target.high << 16) | low) >>> 0;
      target.equal = narrowed.bins ? (narrowed.bins[low] as number) : equalTo(narrowed, low);
    }
    return this.#targets;
  }
}

function collect(narrowed: Narrowed, keys: Int32Array, length: number): void {
  const { high, expected } = narrowed;
  if (expected <= FEW && !narrowed.bins) {
    const list = (narrowed.list ??= new Uint16Array(expected));
    let listed = narrowed.listed;
    for (let i = 0; i < length; i++) if ((keys[i] as number) >>> 16 === high) list[listed++] = keys[i] as number; // its lower bits
    narrowed.listed = listed;
    return;
  }
  const bins = (narrowed.bins ??= new Uint32Array(BINS));
  for (let i = 0; i < length; i++) {
    const key = keys[i] as number;
    if (key >>> 16 === high) bins[key & 0xffff] = (bins[key & 0xffff] as number) + 1;
  }
}

/** `wanted` of the `equal` keys on the threshold are kept, and all above it; where `count` is 0 nothing is above the threshold. */
export interface Target {
  readonly count: number;
  high: number;
  wanted: number;
  threshold: number;
  equal: number;
}

function descend(bins: Uint32Array, highest: number, target: Target): number {
  let bin = Math.max(0, highest);
  while (bin > 0 && (bins[bin] as number) < target.wanted) target.wanted -= bins[bin--] as number;
  return bin;
}

/** The same over a list: the `wanted`th largest, and how many of those equal to it are still wanted. */
function descendList({ list, listed }: Narrowed, target: Target): number {
  if (list === null || listed === 0) return 0;
  const sorted = list.subarray(0, listed).sort();
  const at = Math.max(0, listed - target.wanted);
  const value = sorted[at] as number;
  let above = listed;
  while (above > 0 && (sorted[above - 1] as number) > value) above--;
  target.wanted -= listed - above;
  return value;
}

function equalTo({ list, listed }: Narrowed, value: number): number {
  let equal = 0;
  for (let i = 0; i < listed; i++) if (list?.[i] === value) equal++;
  return equal;
}
