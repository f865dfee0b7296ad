import { expect, test } from "vitest";
import type { Plane, TraceRow } from "../../src/index.ts";
import { bandsOf, LEVELS, pointsOf, refine, sample } from "../../src/ui/plots/contour.ts";
import { averageRow, extentOf, modelRow, onPlane, project, rowOf } from "../../src/ui/plots/plane.ts";
import { boxOf, MAP_ASPECT, swarmMap } from "../../src/ui/plots/swarmMap.ts";

// Two experts whose task vectors are orthonormal, and a sparsified one with a part off their plane.
const plane: Plane = {
  columns: ["base", "a", "b", "a:dare(0.2)"],
  origin: [1, 0, 0, 0],
  e1: [0, 1, 0, 0],
  e2: [0, 0, 1, 0],
  axes: ["towards a", "towards b"],
  gram: [9, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 1, 0, 5],
};
const row = (values: number[], more: Partial<TraceRow> = {}): TraceRow => ({
  run: "pso", evaluation: 0, step: 0, particle: 0, origin: "base", fitness: 0.5, tasks: {}, candidate: { kind: "coefficients", values }, personalBest: true, globalBest: true, ...more,
});

test("an expert falls where its axis says, with nothing left over", () => {
  expect(project(plane, modelRow(plane.columns, "a") ?? [])).toEqual({ a: 1, b: 0, off: 0 });
  expect(project(plane, averageRow(plane.columns, ["a", "b"]))).toEqual({ a: 0.5, b: 0.5, off: 0 });
});

test("what a projection leaves out is told as the distance from the plane", () => {
  // ‖δ‖² = 5, its part along e₁ is 1: 2 is left over.
  expect(project(plane, [1, 0, 0, 1])).toEqual({ a: 1, b: 0, off: 2 });
});

test("the candidate at (a, b) is projected back to (a, b)", () => {
  const { a, b, off } = project(plane, onPlane(plane, -0.3, 0.7));
  expect([a, b]).toEqual([-0.3, 0.7]);
  expect(off).toBeLessThan(1e-6); // the root of a rounding
});

test("coefficients by segment are shown by their mean, resident weights not at all", () => {
  expect(rowOf({ kind: "grouped", values: [[1, 0], [1, 1]] })).toEqual([1, 0.5]);
  expect(rowOf({ kind: "resident", particle: 0, step: 1, what: "x" })).toBeNull();
});

test("the map holds every start; a far wanderer stays at its rim", () => {
  const map = swarmMap(plane, plane.columns, ["a", "b"], [row([1, 0, 0, 0]), row([1, 50, 0, 0], { evaluation: 1, step: 1 })], 800);
  for (const mark of [...map.starts, ...map.dots]) {
    expect(mark.x).toBeGreaterThanOrEqual(0);
    expect(mark.x).toBeLessThanOrEqual(800);
    expect(mark.y).toBeGreaterThanOrEqual(0);
    expect(mark.y).toBeLessThanOrEqual(800 / MAP_ASPECT);
  }
  expect(map.dots[0]?.x).toBe(793);
});

test("a diverged row has no place, and the dot stays where it last stood", () => {
  const map = swarmMap(plane, plane.columns, ["a", "b"], [row([1, 1, 0, 0]), row([NaN, 1, 0, 0], { evaluation: 1, step: 1, fitness: null, diverged: true })], 800);
  expect(map.dots).toHaveLength(1);
  expect(map.dots[0]?.row.diverged).toBe(true);
});

test("the box keeps what the extent holds, and its aspect within the stretch", () => {
  const extent = extentOf([{ a: 0, b: 0, off: 0 }, { a: 1, b: 8, off: 0 }], []);
  const box = boxOf(extent);
  expect(box.b[0]).toBeCloseTo(extent.b[0]);
  expect(box.b[1]).toBeCloseTo(extent.b[1]);
  expect((box.a[1] - box.a[0]) / (box.b[1] - box.b[0])).toBeCloseTo(MAP_ASPECT / 1.4);
});

test("each level of the landscape asks only for points no coarser one had", () => {
  const [coarse = [0, 0], fine = [0, 0]] = LEVELS;
  expect(pointsOf(0).every((p) => !p.known)).toBe(true);
  expect(pointsOf(1).filter((p) => p.known)).toHaveLength(coarse[0] * coarse[1]);
  expect([coarse[0] * 2 - 1, coarse[1] * 2 - 1]).toEqual(fine);
});

test("a refined grid keeps its points and follows a plane exactly", () => {
  const grid = { columns: 4, rows: 3, values: Array.from({ length: 12 }, (_, i) => (i % 4) + 10 * Math.floor(i / 4)) };
  const fine = refine(grid);
  expect(fine.values[0]).toBe(0);
  expect(fine.values[2 * 7 + 2]).toBe(11);
  expect(sample(grid, 1.5, 1)).toBeCloseTo(11.5);
});

test("bands are drawn from few points with a hole; a flat landscape has none", () => {
  const values = Array.from({ length: 24 }, (_, i) => (i === 5 ? NaN : Math.sin(i)));
  expect(bandsOf({ columns: 6, rows: 4, values }, 600, 400).length).toBeGreaterThan(3);
  expect(bandsOf({ columns: 6, rows: 4, values: values.map(() => 1) }, 600, 400)).toEqual([]);
});
