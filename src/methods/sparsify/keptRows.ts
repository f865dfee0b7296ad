/** Masks by rank, kept as bits from the first pass to the next: ranking a row takes longer than all else that is done with it. */
import type { RankedMask } from "../expression.ts";

/** Of all masks of a tensor; a tensor that would need more is ranked in every pass. */
const MOST_BYTES = 16 * 2 ** 20;

export class KeptRows {
  readonly #length: number;
  /** Bits of elements in order, and how many elements are known, from the first on. */
  readonly #kept = new Map<RankedMask, { readonly bits: Uint32Array; known: number }>();
  #left = MOST_BYTES;

  constructor(length: number) {
    this.#length = length;
  }

  /** Fills `words` (all bits, or none) of elements from…from + words.length − 1; false where they are not known. */
  read(mask: RankedMask, from: number, words: Int32Array): boolean {
    const kept = this.#kept.get(mask);
    if (!kept || from + words.length > kept.known) return false;
    const { bits } = kept;
    for (let i = 0; i < words.length; i++) {
      const at = from + i;
      words[i] = -(((bits[at >>> 5] as number) >>> (at & 31)) & 1);
    }
    return true;
  }

  /** Only what follows what is known is of use. */
  keep(mask: RankedMask, from: number, words: Int32Array): void {
    const kept = this.#kept.get(mask) ?? this.#begin(mask);
    if (!kept || from !== kept.known) return;
    const { bits } = kept;
    for (let i = 0; i < words.length; i++) {
      const at = from + i;
      if (words[i]) bits[at >>> 5] = (bits[at >>> 5] as number) | (1 << (at & 31));
    }
    kept.known += words.length;
  }

  #begin(mask: RankedMask) {
    const bytes = 4 * Math.ceil(this.#length / 32);
    if (bytes > this.#left) return undefined;
    this.#left -= bytes;
    const kept = { bits: new Uint32Array(bytes / 4), known: 0 };
    this.#kept.set(mask, kept);
    return kept;
  }
}
