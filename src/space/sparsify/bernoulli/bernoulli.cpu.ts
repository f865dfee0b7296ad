/** The definition of a DARE mask: keep where u(seed, expert, tensor, checkpoint index) < density, one bit an element. */
import { philoxInto, seedKey } from "../../../lib/philox.ts";
import { keepBelow, MASK_WORD, maskName } from "../../../lib/rules.ts";
import type { MaskRule, Segment } from "../../types.ts";

/** Bits in the graph's layout, element 0 in the lowest bit of word 0. */
export function bernoulli(segment: Pick<Segment, "name" | "shape" | "transposed" | "length">, rule: MaskRule): Uint32Array {
  const mask = new Uint32Array(Math.ceil(segment.length / 32));
  const [nameLow, nameHigh] = maskName(rule.expert, segment.name);
  const [keyLow, keyHigh] = seedKey(rule.seed);
  const below = keepBelow(rule.density);
  const [rows, columns] = segment.transposed ? (segment.shape as [number, number]) : [1, segment.length];
  const words = new Uint32Array(4);
  // In checkpoint order (a transposed matrix goes down its columns), so that each Philox call serves four elements.
  let row = 0, column = 0;
  for (let i = 0; i < segment.length; i++) {
    if ((i & 3) === 0) philoxInto(words, Math.floor(i / 4) >>> 0, nameLow, nameHigh, MASK_WORD, keyLow, keyHigh);
    const element = segment.transposed ? row * columns + column : i;
    if ((words[i & 3] as number) >>> 8 < below) mask[element >>> 5] = (mask[element >>> 5] as number) | (1 << (element & 31));
    if (++row === rows) {
      row = 0;
      column++;
    }
  }
  return mask;
}
