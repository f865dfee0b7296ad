/**
 * Barycentric interpolation on a sphere: directions are averaged in the plane that touches it at their mean, and taken back.
 * Formulas nest: each pass computes the steps before it anew, so that no intermediate tensor is kept.
 */
import { LabError } from "../../lib/error.ts";
import { add, type Float, mul, number } from "../expression.ts";
import type { Method } from "../method.ts";

export const multislerp: Method = async (tensor) => {
  const { arithmetic: a, base, models, parameters, passes, job } = tensor;
  const { scalar } = a;
  const eps = parameters["eps"] as number;
  if (models.length === 1) return (models[0] as (typeof models)[number]).value;
  const vectors = models.map(({ delta }) => delta);
  const raw = models.map(({ parameters: own }) => scalar(own["weight"] as number));
  const weights = parameters["normalize_weights"] ? raw.map((weight) => scalar(weight / scalar(total(raw)))) : raw;
  const weighed = (terms: readonly Float[]) => a.sum(terms.map((term, i) => a.mul(term, number(weights[i] as number))));
  const square = async (of: readonly Float[]) => (await passes.totals(of.map((v) => mul(v, v)))).sums.map((sum) => scalar(Math.sqrt(sum)));
  const back = (merged: Float) => (base === null ? merged : a.add(base, merged));

  const norms = await square(vectors);
  const units = vectors.map((v, i) => a.div(v, number(scalar((norms[i] as number) + eps))));
  const middle = weighed(units);
  const [middleNorm = 0] = await square([middle]);
  if (middleNorm < eps) {
    if (models.length > 2) {
      throw new LabError("bad-recipe", `multislerp cannot merge ${job.name}: the directions of its models cancel under these weights. Change a weight, or leave a model out.`);
    }
    return back(a.round(add(a.mul(vectors[0] as Float, number(weights[0] as number)), a.mul(vectors[1] as Float, number(weights[1] as number)))));
  }
  const mean = a.div(middle, number(middleNorm));
  const dots = (await passes.totals(units.map((unit) => a.mul(unit, mean)))).sums.map(scalar);
  const tangent = weighed(units.map((unit, i) => a.sub(unit, a.mul(mean, number(dots[i] as number)))));
  const length = scalar(((await square([tangent]))[0] as number) + eps);
  const along = a.mul(mean, number(scalar(Math.cos(length))));
  const off = a.mul(tangent, number(scalar(scalar(Math.sin(length)) / length)));
  const norm = scalar(total(norms.map((one, i) => scalar(one * (weights[i] as number)))));
  return back(a.mul(a.add(along, off), number(norm)));
};

const total = (values: readonly number[]) => values.reduce((so, value) => Math.fround(so + value), 0);
