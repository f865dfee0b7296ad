import { describe, expect, test } from "vitest";
import { accuracyOf, Binomial, intervalOf, pairedDifferences, meanInterval, percentileInterval, resampledMeans, Sampler, verdictOf, wilson, Z95, type ModelSamples } from "../../src/recipe/statistics.ts";
import { metrics } from "../../src/fitness/metrics/table.ts";
import { SeededStream } from "../../src/lib/stream.ts";

describe("Wilson's interval", () => {
  // Newcombe (1998), Statistics in Medicine 17, table I, method 3.
  test.for([[81, 263, 0.2553, 0.3662], [15, 148, 0.0624, 0.1605], [0, 20, 0, 0.1611], [1, 29, 0.0061, 0.1718]] as const)(
    "%i of %i", ([right, n, low, high]) => {
      const [a, b] = wilson(right, n);
      expect(a).toBeCloseTo(low, 4);
      expect(b).toBeCloseTo(high, 4);
    },
  );

  test("ends are exact at nothing and everything", () => {
    expect(wilson(0, 10)[0]).toBe(0);
    expect(wilson(10, 10)[1]).toBe(1);
    expect(wilson(0, 0)).toEqual([0, 1]);
  });
});

test("binomial draws have the mean and variance of the distribution", () => {
  for (const [n, p] of [[1, 0.3], [10, 0.5], [1000, 0.02], [1000, 0.97], [100_000, 0.3]] as const) {
    const draws = new Binomial(n, new Sampler(1, `b${n}`));
    const all = Float64Array.from({ length: 20_000 }, () => draws.draw(n, p));
    const mean = all.reduce((a, b) => a + b) / all.length;
    const variance = all.reduce((sum, x) => sum + (x - mean) ** 2, 0) / all.length;
    const sigma = Math.sqrt(n * p * (1 - p));
    expect(Math.abs(mean - n * p)).toBeLessThan(5 * sigma / Math.sqrt(20_000)); // five standard errors
    expect(variance / sigma ** 2).toBeGreaterThan(0.95); // ± 5 standard errors of a variance: √(2/20000) = 0.01
    expect(variance / sigma ** 2).toBeLessThan(1.05);
  }
});

describe("the bootstrap", () => {
  const bits = (n: number, p: number, seed: number) => {
    const stream = new SeededStream(seed, "bits");
    return Uint8Array.from({ length: n }, () => (stream.next() < p ? 1 : 0));
  };

  test("of a mean agrees with the normal approximation, by either way of drawing", () => {
    const values = Float64Array.from(bits(1000, 0.3, 3));
    const mean = values.reduce((a, b) => a + b) / 1000;
    const half = Z95 * Math.sqrt((mean * (1 - mean)) / 1000);
    const nearly = values.map((x) => x * 1.0000001); // not 0 and 1: drawn one by one
    for (const given of [values, nearly]) {
      const [low, high] = percentileInterval(resampledMeans({ values: given, clusters: null }, new Sampler(1, "x")));
      expect(Math.abs(low - (mean - half))).toBeLessThan(0.0025); // a step of the lattice is 0.001, a percentile's error about as much
      expect(Math.abs(high - (mean + half))).toBeLessThan(0.0025);
    }
  });

  test("of clusters is as wide as their number says, not as their samples'", () => {
    // 20 clusters of 50 equal samples are 20 samples.
    const each = bits(20, 0.5, 5);
    const values = Float64Array.from({ length: 1000 }, (_, i) => each[Math.floor(i / 50)] ?? 0);
    const clusters = Array.from({ length: 1000 }, (_, i) => `font ${Math.floor(i / 50)}`);
    const width = ([low, high]: readonly [number, number]) => high - low;
    const clustered = width(percentileInterval(resampledMeans({ values, clusters }, new Sampler(1, "c"))));
    const plain = width(percentileInterval(resampledMeans({ values, clusters: null }, new Sampler(1, "c"))));
    expect(clustered / plain).toBeGreaterThan(6); // √50 = 7.07
    expect(clustered / plain).toBeLessThan(8);
  });

  test("is the same for the same seed and another for another", () => {
    const draw = (seed: number) => [...resampledMeans({ values: bits(100, 0.4, 1), clusters: null }, new Sampler(seed, "s"), 50)];
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});

function model(id: string, correct: readonly Uint8Array[], clusters: readonly string[] | null = null): ModelSamples {
  return { id, tasks: correct.map((right, t) => ({ task: `t${t}`, weight: 1, ...accuracyOf(right), clusters })) };
}

describe("a paired difference", () => {
  const stream = new SeededStream(9, "pairs");
  const base = Array.from({ length: 6 }, () => Uint8Array.from({ length: 1000 }, () => (stream.next() < 0.6 ? 1 : 0)));
  const better = base.map((task) => task.map((right) => (right === 0 && stream.next() < 0.1 ? 1 : right)));

  test("agrees with the closed form, stratified by task, and is quick", () => {
    const begin = performance.now();
    const found = pairedDifferences(model("a", better), model("b", base), 7);
    expect(performance.now() - begin).toBeLessThan(1000);
    expect(found.map(({ task }) => task)).toEqual(["t0", "t1", "t2", "t3", "t4", "t5", "mean"]);
    const mean = found.at(-1)!; // seven entries
    const p = better.map((task, t) => task.reduce((sum, right, i) => sum + right - (base[t]?.[i] ?? 0), 0) / 1000);
    const estimate = p.reduce((a, b) => a + b) / 6;
    const half = (Z95 * Math.sqrt(p.reduce((sum, x) => sum + (x * (1 - x)) / 1000, 0))) / 6;
    expect(mean.estimate).toBeCloseTo(estimate, 12);
    expect(Math.abs(mean.interval[0] - (estimate - half))).toBeLessThan(0.0005); // about half a per cent of the estimate: 10,000 resamples
    expect(Math.abs(mean.interval[1] - (estimate + half))).toBeLessThan(0.0005);
    expect(mean).toMatchObject({ verdict: "better", how: "paired bootstrap, stratified by task, 10000" });
  });

  test("of a model with itself is 0 and says nothing", () => {
    const same = pairedDifferences(model("a", base), model("b", base), 7).at(-1)!;
    expect(same).toMatchObject({ estimate: 0, interval: [0, 0], verdict: "open" });
  });

  test("is said better or worse only where the interval leaves out 0", () => {
    expect([verdictOf([0.001, 0.2]), verdictOf([-0.2, -0.001]), verdictOf([0, 0.2]), verdictOf([-0.1, 0.1])]).toEqual(["better", "worse", "open", "open"]);
  });

  test("refuses models that saw other samples", () => {
    expect(() => pairedDifferences(model("a", base), model("b", base.map((task) => task.subarray(1))), 7)).toThrow(/same samples/);
  });
});

test("intervals say how they were had", () => {
  const right = Uint8Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? 1 : 0));
  const { metric, outputs } = accuracyOf(right);
  expect(intervalOf(metric, outputs, null, 1)).toMatchObject({ n: 100, how: "wilson", interval: wilson(34, 100) });
  const clusters = Array.from({ length: 100 }, (_, i) => String(i % 10));
  expect(intervalOf(metric, outputs, clusters, 1).how).toBe("clustered bootstrap, 10000");
  const f1 = intervalOf(metrics.f1, { ...outputs, labels: right, predictions: right.map((x, i) => (i % 7 === 0 ? 1 - x : x)) }, null, 1);
  expect(f1.how).toBe("bootstrap, 10000");
  expect(f1.interval![0]).toBeLessThan(f1.value);
  expect(f1.interval![1]).toBeGreaterThan(f1.value);
  expect(meanInterval(model("a", [right, right]).tasks, 1)).toMatchObject({ n: 200, value: 0.34 });
  expect(meanInterval([], 1).interval).toBeNull();
});
