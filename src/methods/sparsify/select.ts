/**
 * Exact selection without a sort: a radix select on 32-bit keys whose unsigned order is the order wanted. Two histograms, of the
 * high and of the low half, find the key at which to cut, and how many of those equal to it are still kept.
 */
const BINS = 65536;

export type Half = "high" | "low";

/** One selection under way; any number of cuts share its two passes, over one tensor or many. */
export class RadixSelect {
  readonly #high = new Uint32Array(BINS);
  readonly #low = new Map<number, Uint32Array>();
  readonly #targets: Target[];

  /** `keep`: how many of the largest, for each cut. */
  constructor(keep: readonly number[]) {
    this.#targets = keep.map((count) => ({ count, high: -1, wanted: count, threshold: 0xffffffff, equal: 0 }));
  }

  /** Histograms of one half: the keys that count (those with these upper bits; null: all), and where. */
  bins(half: Half): readonly { readonly high: number | null; readonly bins: Uint32Array }[] {
    return half === "high" ? [{ high: null, bins: this.#high }] : [...this.#low].map(([high, bins]) => ({ high, bins }));
  }

  count(half: Half, keys: Int32Array, length: number): void {
    if (half === "high") {
      const bins = this.#high;
      for (let i = 0; i < length; i++) {
        const bin = (keys[i] as number) >>> 16;
        bins[bin] = (bins[bin] as number) + 1;
      }
      return;
    }
    for (const [high, bins] of this.#low) {
      for (let i = 0; i < length; i++) {
        const key = keys[i] as number;
        if (key >>> 16 === high) bins[key & 0xffff] = (bins[key & 0xffff] as number) + 1;
      }
    }
  }

  /** Between the halves: in which bin each cut lies. */
  narrow(): void {
    for (const target of this.#targets) {
      if (target.count === 0) continue;
      target.high = descend(this.#high, target);
      if (!this.#low.has(target.high)) this.#low.set(target.high, new Uint32Array(BINS));
    }
  }

  finish(): readonly Readonly<Target>[] {
    for (const target of this.#targets) {
      if (target.count === 0) continue;
      const bins = this.#low.get(target.high) as Uint32Array; // made in `narrow`
      const low = descend(bins, target);
      target.threshold = ((target.high << 16) | low) >>> 0;
      target.equal = bins[low] as number;
    }
    return this.#targets;
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

function descend(bins: Uint32Array, target: Target): number {
  let bin = BINS - 1;
  while (bin > 0 && (bins[bin] as number) < target.wanted) target.wanted -= bins[bin--] as number;
  return bin;
}
