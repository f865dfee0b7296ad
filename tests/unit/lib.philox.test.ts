import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fnv1a64 } from "../../src/lib/hash.ts";
import { philox, seedKey, uniform } from "../../src/lib/philox.ts";
import { keepBelow, maskUniform, moveUniform } from "../../src/lib/rules.ts";
import { SeededStream } from "../../src/lib/stream.ts";
import { checkpointIndex } from "../../src/space/types.ts";
import replay from "../fixtures/philox.json";

describe("Philox4x32-10", () => {
  // Random123, tests/kat_vectors
  test.each([
    [[0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]],
  ] as const)("gives the published answer for %o", (counter, key, answer) => {
    expect([...philox(counter, key)]).toEqual([...answer]);
  });

  test("uniform is below one and exact in f32", () => {
    expect(uniform(0xffffffff)).toBe(1 - 2 ** -24);
    expect(Math.fround(uniform(0xffffffff))).toBe(1 - 2 ** -24);
    expect(uniform(0xff)).toBe(0);
  });

  test("a seed is two words", () => {
    expect(seedKey(2 ** 53 - 1)).toEqual([0xffffffff, 0x1fffff]);
    expect(seedKey(7)).toEqual([7, 0]);
  });
});

describe("the published rules agree with their NumPy replay", () => {
  test.each(replay.masks)("mask of $name, transposed $transposed", (one) => {
    const segment = { shape: one.shape, transposed: one.transposed };
    const keep = (i: number) => Number(maskUniform(one.seed, one.expert, one.name, i) < one.density);
    expect(one.checkpoint.map((_, i) => keep(i))).toEqual(one.checkpoint);
    expect(one.graph.map((_, e) => keep(checkpointIndex(segment, e)))).toEqual(one.graph);
  });

  test.each(replay.moves)("move %o", (one) => {
    expect(moveUniform(one.seed, one.step, one.particle, one.draw as 0 | 1, one.index)).toBe(one.r);
  });

  test("keeping is the same in whole numbers", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.double({ min: 1e-9, max: 1, noNaN: true }), (word, density) => {
      expect(word >>> 8 < keepBelow(density)).toBe(uniform(word) < density);
    }));
  });
});

test("FNV-1a has its published values", () => {
  expect(fnv1a64("")).toEqual([0x84222325, 0xcbf29ce4]);
  expect(fnv1a64("a")).toEqual([0x8601ec8c, 0xaf63dc4c]);
  expect(fnv1a64("foobar")).toEqual([0xf73967e8, 0x85944171]);
});

describe("a stream", () => {
  test("repeats by seed and name, and differs by either", () => {
    const first = (seed: number, name: string) => {
      const stream = new SeededStream(seed, name);
      return Array.from({ length: 9 }, () => stream.word());
    };
    expect(first(7, "samples")).toEqual(first(7, "samples"));
    expect(first(7, "samples")).not.toEqual(first(8, "samples"));
    expect(first(7, "samples")).not.toEqual(first(7, "bootstrap"));
  });

  test("permutes", () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 200 }), fc.nat(), (n, seed) => {
      const order = new SeededStream(seed, "p").permutation(n);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    }));
  });

  test("int is even over its range, gaussian has mean 0 and variance 1", () => {
    const stream = new SeededStream(1, "moments");
    const counts = [0, 0, 0];
    for (let i = 0; i < 30_000; i++) counts[stream.int(3)]! += 1; // 0..2
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(4 * Math.sqrt(30_000 * (2 / 9))); // 4 σ
    let sum = 0, squares = 0;
    for (let i = 0; i < 20_000; i++) {
      const g = stream.gaussian();
      sum += g;
      squares += g * g;
    }
    expect(Math.abs(sum / 20_000)).toBeLessThan(4 / Math.sqrt(20_000)); // 4 σ
    expect(Math.abs(squares / 20_000 - 1)).toBeLessThan(4 * Math.sqrt(2 / 20_000));
  });
});
