/**
 * Riemannian mean of directions (arXiv 2603.04972), as long as the models' mean length: step from the mean along the average of the
 * logarithms until the step is small. Formulas nest, so a pass of step k computes the k steps before it anew; no tensor is kept.
 */
import { type Float, mul, number } from "../expression.ts";
import type { Method, Tensor } from "../method.ts";

export const karcher: Method = async (tensor) => {
  const { arithmetic: a, models, parameters, passes } = tensor;
  const tol = parameters["tol"] as number;
  const vectors = models.map(({ value }) => value);
  if (vectors.length === 1) return vectors[0] as Float;
  const norms = await lengths(tensor, vectors);
  const valid = vectors.flatMap((v, i) => ((norms[i] as number) > tol ? [a.div(v, number(norms[i] as number))] : []));
  if (valid.length === 0) return mul(vectors[0] as Float, number(0));
  const share = 1 / valid.length;

  const middle = valid.reduce<Float>((so, unit) => a.add(so, a.mul(unit, number(share))), number(0));
  const [middleNorm = 0] = await lengths(tensor, [middle]);
  let mean = middleNorm < tol ? (valid[0] as Float) : a.div(middle, number(middleNorm));
  for (let step = 0; step < (parameters["max_iter"] as number); step++) {
    const at = mean;
    const dots = (await passes.totals(valid.map((unit) => mul(at, unit)))).sums.map((sum) => Math.max(-1, Math.min(1, a.scalar(sum))));
    const logarithms = dots.flatMap((dot, i) => {
      const angle = a.scalar(Math.acos(dot));
      if (angle < tol) return [];
      const factor = a.scalar(share * a.scalar(angle / a.scalar(Math.sin(angle))));
      return [a.mul(a.sub(valid[i] as Float, a.mul(at, number(dot))), number(factor))];
    });
    if (logarithms.length === 0) break;
    const tangent = logarithms.reduce<Float>((so, log) => a.add(so, log), number(0));
    const [length = 0] = await lengths(tensor, [tangent]);
    if (length < tol) break;
    // Cosine, sine and the length below are rounded as the tensor is; norms are not.
    const [cos, sin] = [a.scalar(Math.cos(length)), a.scalar(Math.sin(length))];
    const moved = a.add(a.mul(at, number(cos)), a.mul(a.div(tangent, number(length)), number(sin)));
    const [norm = 0] = await lengths(tensor, [moved]);
    mean = norm > tol ? a.div(moved, number(norm)) : moved;
  }
  const scale = a.scalar(norms.reduce((so, norm) => Math.fround(so + Math.fround(norm / vectors.length)), 0));
  return a.mul(mean, number(scale));
};

/** Norms in f32, whatever the arithmetic. */
async function lengths({ passes }: Tensor, of: readonly Float[]): Promise<number[]> {
  return (await passes.totals(of.map((v) => mul(v, v)))).sums.map((sum) => Math.fround(Math.sqrt(sum)));
}
