import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesNeeded } from "../../src/space/basis.ts";
import { readColumns } from "../../src/space/columns.ts";
import { layOut } from "../../src/space/layout.ts";
import { activeTerms } from "../../src/space/materialise/terms.ts";
import { planRounds, scratchElements, stagingElements } from "../../src/space/slot/rounds.ts";
import { directions, makeSpace } from "../kernels/sample.ts";

const limitsOf = (bytes: number) => ({ maxBufferSize: bytes, maxStorageBufferBindingSize: bytes, minUniformBufferOffsetAlignment: 256 });
const spaces = fc.array(fc.integer({ min: 0, max: 9000 }), { minLength: 1, maxLength: 12 }).map((lengths) => makeSpace(lengths.map((n) => ({ shape: [n] }))));
const sizes = fc.integer({ min: 1 << 14, max: 1 << 20 });

test("every element lies in one piece, no buffer is over the limit, every piece is aligned", () => {
  fc.assert(fc.property(spaces, sizes, (space, bytes) => {
    const layout = layOut(space, readColumns(directions(4)), limitsOf(bytes));
    for (const slab of layout.slabs) expect(slab.elements * 4 * 4).toBeLessThanOrEqual(Math.max(bytes, 4 * 4 * 1024));
    for (const segment of space.segments) {
      let next = 0;
      for (const piece of layout.pieces.filter((p) => p.segment === segment.index)) {
        expect([piece.offset, piece.at % 64, piece.offset % 1024]).toEqual([next, 0, 0]);
        next += piece.length;
      }
      expect(next).toBe(segment.length);
    }
  }));
});

test("rounds bring every element home once, within scratch and staging", () => {
  fc.assert(fc.property(spaces, sizes, (space, bytes) => {
    const layout = layOut(space, readColumns(directions(4)), limitsOf(bytes));
    const home = space.segments.map((segment) => new Uint8Array(segment.length));
    for (const round of planRounds(layout)) {
      expect(round.elements).toBeLessThanOrEqual(stagingElements(layout));
      for (const chunk of round.chunks) {
        expect(chunk.elements).toBeLessThanOrEqual(scratchElements(layout));
        expect(chunk.staged + chunk.elements).toBeLessThanOrEqual(round.elements);
        for (const part of chunk.parts) {
          expect(part.at + part.length).toBeLessThanOrEqual(chunk.start + chunk.elements);
          for (let i = 0; i < part.length; i++) home[part.segment]![part.offset + i]!++;
        }
      }
    }
    expect(home.every((counts) => counts.every((count) => count === 1))).toBe(true);
  }));
});

test("a candidate reads only the directions it uses", () => {
  const columns = readColumns(directions(2)); // base, two dense, two masked
  const read = (...c: number[]) => activeTerms(columns, Float32Array.from(c)).map(({ dense, whole, masked }) => [dense, whole, masked?.column ?? null]);
  expect(read(1, 0, 0, 0, 0)).toEqual([]);
  expect(read(1, 0.5, 0, 0, 0)).toEqual([[0, 1, null]]);
  expect(read(1, 0, 0, 0, 1)).toEqual([[1, null, 4]]);
  expect(read(1, 1, 1, 1, 1)).toEqual([[0, 1, 3], [1, 2, 4]]);
});

test.each([["f32", 6.25], ["f16", 4.25]] as const)("four experts with masks, %s, need at most %f models", (precision, most) => {
  const large = makeSpace(Array.from({ length: 24 }, () => ({ shape: [1024, 1024] })));
  for (const bind of ["gpu", "cpu"] as const) {
    const models = bytesNeeded(large, directions(4, precision), bind) / (4 * large.length);
    expect(models).toBeLessThanOrEqual(most);
    // A merge that a swarm starts from is one dense direction more, and as large as an expert's.
    const derived = bytesNeeded(large, [...directions(4, precision), { kind: "dense", id: "ties(0.2)", precision }], bind) / (4 * large.length);
    expect(derived - models).toBeCloseTo(precision === "f16" ? 0.5 : 1, 1);
  }
});
