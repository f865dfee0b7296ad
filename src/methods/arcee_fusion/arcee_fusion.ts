/** The other model's element where |Δ|·KL(softmax of the rows) ≥ median + 1.5·(Q₃ − Q₁), the base's elsewhere. */
import { abs, add, type Float, ge, mul, number, perRow, select } from "../expression.ts";
import { baseOf, type Method } from "../method.ts";
import { valuesAt } from "../sparsify/cuts.ts";

export const arceeFusion: Method = async (tensor) => {
  const { arithmetic: a, models, passes, length } = tensor;
  const [base, other] = [baseOf(tensor), models[0]?.value as Float];
  if (length === 0) return base;
  const change = a.sub(other, base);
  const importance = a.mul(abs(change), perRow(await passes.divergence(other, base, a.scalar)));
  const places = [0.25, 0.5, 0.75].map((quarter) => Math.trunc(Math.fround(quarter * Math.fround(length - 1))));
  const [low, middle, high] = (await valuesAt(passes, importance, places)) as [number, number, number];
  const threshold = a.scalar(middle + a.scalar(1.5 * a.scalar(high - low)));
  // The mask is f32, so the sum is too; it is rounded last.
  return add(base, mul(change, select(ge(importance, number(threshold)), number(1), number(0))));
};
