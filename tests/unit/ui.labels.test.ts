import { expect, test } from "vitest";
import * as fc from "fast-check";
import { overlap, placeLabels, spread, type LabelRequest } from "../../src/ui/plots/labels.ts";

const bounds = { left: 0, top: 0, width: 600, height: 400 };
const request = (key: string, x: number, y: number, priority = 1): LabelRequest => ({ key, text: key, x, y, radius: 5, priority, width: 60, height: 16 });

test("a label alone stands to the right of its point", () => {
  const [label] = placeLabels([request("a", 100, 100)], [], bounds);
  expect(label?.left).toBeGreaterThan(100);
  expect(label && label.top + label.height / 2).toBeCloseTo(100);
});

test("labels never cover each other and never leave the frame, whatever the points", () => {
  const point = fc.record({ x: fc.integer({ min: 0, max: 600 }), y: fc.integer({ min: 0, max: 400 }) });
  fc.assert(
    fc.property(fc.array(point, { maxLength: 14 }), (points) => {
      const marks = points.map(({ x, y }) => ({ left: x - 5, top: y - 5, width: 10, height: 10 }));
      const placed = placeLabels(points.map(({ x, y }, i) => request(`p${i}`, x, y, i % 3)), marks, bounds);
      for (const [i, a] of placed.entries()) {
        expect(a.left).toBeGreaterThanOrEqual(0);
        expect(a.left + a.width).toBeLessThanOrEqual(600);
        for (const b of placed.slice(i + 1)) expect(overlap(a, b)).toBe(0);
      }
    }),
    { seed: 7 },
  );
});

test("where there is room for one only, the more important one is shown", () => {
  const tight = { left: 0, top: 0, width: 80, height: 20 };
  expect(placeLabels([request("less", 5, 10, 1), request("more", 5, 10, 5)], [], tight).map((l) => l.key)).toEqual(["more"]);
});

test("names at the ends of lines stay apart, in order, and near", () => {
  expect(spread([50, 52, 54, 200], 15, 0, 300)).toEqual([37, 52, 67, 200]);
  expect(spread([-5, 0], 15, 10, 300)).toEqual([10, 25]);
  expect(spread([], 15, 0, 100)).toEqual([]);
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 300, noNaN: true }), { maxLength: 10 }), (wanted) => {
      const got = spread(wanted, 15, 0, 300);
      const sorted = [...got].sort((a, b) => a - b);
      for (let i = 1; i < sorted.length; i++) expect((sorted[i] ?? 0) - (sorted[i - 1] ?? 0)).toBeGreaterThan(14.99);
    }),
    { seed: 7 },
  );
});
