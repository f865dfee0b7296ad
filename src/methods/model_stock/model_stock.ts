/** t·mean(θ) + (1−t)·θ₀, t = N·c / (1 + (N−1)·c), c the mean cosine between task vectors (arXiv 2403.19522); whole, or a row each. */
import type { Arithmetic } from "../arithmetic.ts";
import { type Float, mul, number, perRow } from "../expression.ts";
import { baseOf, type Method } from "../method.ts";

const LEAST_NORMS = 1e-6;
/** Of 1 + (N−1)·c; below it the models oppose each other and the base stays. */
const SINGULAR = 1e-6;

export const modelStock: Method = async (tensor) => {
  const { arithmetic: a, models, parameters, passes } = tensor;
  const base = baseOf(tensor);
  const deltas = models.map(({ delta }) => delta);
  const pairs = deltas.flatMap((first, i) => deltas.slice(i + 1).map((second, j) => ({ first, second, i, j: i + 1 + j })));
  const sums = [...deltas.map((delta) => mul(delta, delta)), ...pairs.map(({ first, second }) => a.mul(first, second))];
  const filterWise = parameters["filter_wise"] === true;
  const found = filterWise ? await passes.sumsAlong("rows", sums) : (await passes.totals(sums)).sums.map((sum) => Float64Array.of(sum));
  const ratios = Float64Array.from(found[0] as Float64Array, (_, row) => {
    const norm = (i: number) => a.scalar(Math.sqrt((found[i] as Float64Array)[row] as number));
    const cosines = pairs.map(({ i, j }, p) => cosine(a, norm(i), norm(j), (found[models.length + p] as Float64Array)[row] as number));
    return ratio(a, cosines, models.length);
  });
  const leaf = (values: Float64Array): Float => (filterWise ? perRow(Float32Array.from(values)) : number(values[0] ?? 0));
  // Added up one after the other, each sum rounded.
  const average = a.div(models.map(({ value }) => value).reduce((total, value) => a.add(total, value)), number(models.length));
  return a.add(a.mul(average, leaf(ratios)), a.mul(base, leaf(ratios.map((t) => a.scalar(1 - t)))));
};

function cosine({ scalar }: Arithmetic, first: number, second: number, dot: number): number {
  const norms = Math.max(scalar(first * second), scalar(LEAST_NORMS));
  return Math.max(-1, Math.min(1, scalar(scalar(dot) / norms)));
}

function ratio({ scalar }: Arithmetic, cosines: readonly number[], count: number): number {
  const c = scalar(cosines.reduce((total, cos) => Math.fround(total + cos), 0) / cosines.length);
  const divisor = scalar(1 + scalar((count - 1) * c));
  return Math.abs(divisor) < scalar(SINGULAR) ? 0 : scalar(scalar(count * c) / divisor);
}
