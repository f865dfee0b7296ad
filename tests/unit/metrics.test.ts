import { describe, expect, test } from "vitest";
import { aggregate, flooredTasks, referencesOf } from "../../src/fitness/aggregate.ts";
import { drawSamples, sideOf } from "../../src/fitness/draw.ts";
import { ranks } from "../../src/fitness/metrics/spearman.ts";
import { metrics, METRIC_NAMES } from "../../src/fitness/metrics/table.ts";
import { isLabError } from "../../src/lib/error.ts";

const outputs = (labels: number[], predictions: number[], classes: number, logLikelihood: number[] = []) => ({ labels, predictions, classes, logLikelihood });

describe("metrics, against values worked out by hand or known from scikit-learn's documentation", () => {
  test("accuracy", () => {
    expect(metrics.accuracy.score(outputs([0, 1, 2, 2], [0, 2, 2, 2], 3))).toBe(0.75);
  });

  test("log-likelihood: certain is 1, a uniform guess 0, worse below 0", () => {
    const of = (p: number) => metrics.log_likelihood.score(outputs([0, 0], [0, 0], 10, [Math.log(p), Math.log(p)]));
    expect(of(1)).toBe(1);
    expect(of(0.1)).toBeCloseTo(0, 12);
    expect(of(0.01)).toBeCloseTo(-1, 12);
  });

  test("f1", () => {
    // sklearn: f1_score([0,1,2,0,1,2], [0,2,1,0,0,1], average="macro") = 0.26…
    expect(metrics.f1.score(outputs([0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1], 3))).toBeCloseTo(0.8 / 3, 12);
    expect(metrics.f1.score(outputs([1, 1, 0, 0], [1, 0, 1, 0], 2))).toBe(0.5); // of class 1
    expect(metrics.f1.score(outputs([0, 0], [0, 0], 2))).toBe(0);
  });

  test("matthews", () => {
    // sklearn: matthews_corrcoef([+1,+1,+1,-1], [+1,-1,+1,+1]) = -0.33…
    expect(metrics.matthews.score(outputs([1, 1, 1, 0], [1, 0, 1, 1], 2))).toBeCloseTo(-1 / 3, 12);
    expect(metrics.matthews.score(outputs([0, 1, 2], [0, 1, 2], 3))).toBeCloseTo(1, 12);
    expect(metrics.matthews.score(outputs([0, 1, 2], [1, 1, 1], 3))).toBe(0);
  });

  test("pearson and spearman", () => {
    expect(metrics.pearson.score(outputs([1, 2, 3, 4], [2, 4, 6, 8], 0))).toBeCloseTo(1, 14);
    // scipy: spearmanr([1,2,3,4,5], [5,6,7,8,7]) = 0.82078…
    expect(metrics.spearman.score(outputs([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 0))).toBeCloseTo(0.8207826816681233, 12);
    expect(metrics.pearson.score(outputs([1, 2], [3, 3], 0))).toBe(0);
    expect([...ranks([10, 30, 20, 30])]).toEqual([1, 3.5, 2, 3.5]);
  });

  test("none has a score without samples", () => {
    for (const name of METRIC_NAMES) expect(metrics[name].score(outputs([], [], 2))).toBeNaN();
  });
});

describe("aggregates", () => {
  const tasks = [{ id: "a", weight: 1, head: "a" }, { id: "b", weight: 3, head: "b" }];

  test("mean weighs, worst does not, a task without samples is left out", () => {
    expect(aggregate(tasks, { a: 1, b: 0 }, "mean")).toBe(0.25);
    expect(aggregate(tasks, { a: 1, b: 0 }, "worst")).toBe(0);
    expect(aggregate(tasks, { a: 1, b: NaN }, "mean")).toBe(1);
    expect(aggregate(tasks, {}, "mean")).toBeNaN();
  });

  test("normalised: base 0, own expert 1, a narrow spread is floored and named", () => {
    const references = referencesOf(tasks, { base: { a: 0.5, b: 0.5 }, a: { a: 0.9, b: 0.4 }, b: { a: 0.3, b: 0.505 } });
    expect(references).toEqual({ a: { base: 0.5, own: 0.9 }, b: { base: 0.5, own: 0.505 } });
    expect(aggregate(tasks, { a: 0.5, b: 0.5 }, "normalised", references)).toBe(0);
    expect(aggregate([tasks[0]!], { a: 0.9 }, "normalised", references)).toBe(1);
    expect(aggregate([tasks[1]!], { b: 0.52 }, "normalised", references)).toBeCloseTo(1, 12); // 0.02 / 0.02
    expect(flooredTasks(references)).toEqual(["b"]);
  });
});

describe("the sample rule", () => {
  const part = (prefix: string, n: number) => ({ id: Array.from({ length: n }, (_, i) => `${prefix}${i}`) });
  const split = { split: true, splits: { optimise: part("o", 100), validate: part("v", 100), test: part("t", 200) } };
  const pool = part("s", 1000);
  const unsplit = { split: false, splits: { optimise: pool, validate: pool, test: pool } };
  const task = (counts: object) => ({ id: "digits", source: "zoo/glyphs/digits", optimise: 50, validate: 10, test: 100, ...counts });
  const ids = (drawn: ReturnType<typeof drawSamples>) => Object.fromEntries(Object.entries(drawn).map(([side, { from, indices }]) => [side, indices.map((i) => from.id[i]!)]));

  test.for([["split", split], ["unsplit", unsplit]] as const)("%s: changing one count moves nothing to another side, and a larger count contains the smaller", ([, source]) => {
    const some = ids(drawSamples(task({}), source, 1));
    const more = ids(drawSamples(task({ test: 150 }), source, 1));
    expect(more.optimise).toEqual(some.optimise);
    expect(more.validate).toEqual(some.validate);
    expect(more.test!.slice(0, 100)).toEqual(some.test);
    const all = Object.values(more).flat();
    expect(new Set(all).size).toBe(all.length);
    expect(ids(drawSamples(task({}), source, 2)).test).not.toEqual(some.test);
  });

  test("two tasks on one source draw alike, so none is tested in one and searched in the other", () => {
    expect(ids(drawSamples({ ...task({}), id: "other" }, unsplit, 1))).toEqual(ids(drawSamples(task({}), unsplit, 1)));
  });

  test("an unsplit source is cut in halves, fifths and three tenths", () => {
    const sides = pool.id.map((id) => sideOf(1, "x", id));
    const share = (side: string) => sides.filter((one) => one === side).length / 1000;
    expect(Math.abs(share("test") - 0.5)).toBeLessThan(0.05); // three standard errors
    expect(Math.abs(share("validate") - 0.2)).toBeLessThan(0.04);
  });

  test("lists are taken as they stand; a listed sample leaves the other sides", () => {
    const drawn = ids(drawSamples(task({ optimise: ["s5", "s3"] }), unsplit, 1));
    expect(drawn.optimise).toEqual(["s5", "s3"]);
    expect([...drawn.test!, ...drawn.validate!]).not.toContain("s5");
  });

  test.for([
    [{ test: 201 }, "too-few-samples", /asks for 201 samples to test, but its source has 200/],
    [{ optimise: ["o1", "nobody"] }, "too-few-samples", /names the sample nobody to optimise/],
    [{ optimise: ["t1"] }, "too-few-samples", /names the sample t1 to optimise, which its source does not have on that side/],
    [{ optimise: ["o1", "o1"] }, "bad-recipe", /twice/],
  ] as const)("%j is refused", ([counts, code, message]) => {
    try {
      drawSamples(task(counts), split, 1);
      expect.unreachable();
    } catch (error) {
      expect(isLabError(error, code)).toBe(true);
      expect((error as Error).message).toMatch(message);
    }
  });
});
