import { expect, test } from "vitest";
import { SeededStream } from "../../src/lib/stream.ts";
import { ascending } from "../../src/methods/sparsify/rank.ts";
import { RadixSelect } from "../../src/methods/sparsify/select.ts";

/** Bits of |x|, with many that are equal, and a few large ones. */
function keysOf(length: number, seed: number, coarse: boolean): Int32Array {
  const stream = new SeededStream(seed, "keys");
  const values = Float32Array.from({ length }, () => Math.abs(coarse ? Math.round(8 * stream.gaussian()) / 1024 : stream.gaussian() * 1e-3));
  return new Int32Array(values.buffer);
}

// 1; a tensor whose bins are lists; one with a bin above 4,096 keys, which is a histogram.
test.each([[1, false], [193, true], [5000, false], [30_000, true], [200_000, true]] as const)("cuts keep exactly so many of %i keys, coarse: %s", (length, coarse) => {
  const keys = keysOf(length, length, coarse);
  const keep = [...new Set([0, 1, Math.ceil(length / 5), length])];
  const sorted = Uint32Array.from(keys).sort().reverse();
  for (const elsewhere of [false, true]) {
    const select = new RadixSelect(keep);
    const tally = (half: "high" | "low") => {
      // As a kernel does it: into histograms of its own; or in two chunks, as the CPU does.
      if (!elsewhere) for (const [from, to] of [[0, length >> 1], [length >> 1, length]] as const) select.count(half, keys.subarray(from, to), to - from);
      else for (const { high, bins } of select.bins(half)) for (const key of keys) if (high === null) bins[key >>> 16]!++; else if (key >>> 16 === high) bins[key & 0xffff]!++;
    };
    tally("high");
    select.narrow();
    tally("low");
    for (const [i, { count, threshold, wanted, equal }] of select.finish().entries()) {
      expect(count).toBe(keep[i]);
      if (count === 0) continue;
      expect(threshold).toBe(sorted[count - 1]);
      const above = sorted.filter((key) => key > threshold).length;
      expect(wanted).toBe(count - above);
      expect(equal).toBe(sorted.filter((key) => key === threshold).length);
    }
  }
});

// 1,024 is the longest row that is sorted; 1,025 goes by digits.
test.each([1, 80, 1024, 1025])("ranks of %i elements: the larger above, the lower index above among equals", (length) => {
  const bits = keysOf(length, 3, true).map((key, i) => (i % 3 === 0 ? key | 0x80000000 : key)); // signs do not count
  const order = new Uint32Array(length);
  ascending(bits, 0, length, order, new Uint32Array(length));
  const expected = Array.from({ length }, (_, i) => i).sort((a, b) => (bits[a]! & 0x7fffffff) - (bits[b]! & 0x7fffffff) || b - a);
  expect([...order]).toEqual(expected);
});
