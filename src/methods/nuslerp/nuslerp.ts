/** slerp by w₂/(w₁+w₂), of the models or, with a base, of their task vectors; the tensor as one vector, or each row or column. */
import type { Arithmetic } from "../arithmetic.ts";
import type { Along } from "../executor.ts";
import { type Float, mul, number, perColumn, perRow } from "../expression.ts";
import type { Method, Tensor } from "../method.ts";

const LEAST_WEIGHT = 1e-6;
const LEAST_NORM = 1e-7;
/** Vectors whose 1 − cos² is not above it lie on a line. */
const PARALLEL = 1e-16;

export const nuslerp: Method = async (tensor) => {
  const { arithmetic: a, base, models, parameters } = tensor;
  const [first, second] = models.map(({ parameters: own }) => own["weight"] as number) as [number, number];
  const t = Math.abs(first + second) < LEAST_WEIGHT ? 0.5 : second / (first + second);
  const [v0, v1] = models.map(({ delta }) => delta) as [Float, Float];
  const along = parameters["nuslerp_flatten"] ? null : parameters["nuslerp_row_wise"] && tensor.job.shape.length > 1 ? "columns" : "rows";

  const norms = await sumsOf(tensor, along, [mul(v0, v0), mul(v1, v1)]);
  const unit = (v: Float, squares: Float64Array) => a.div(v, leaf(along, squares.map((s) => Math.max(a.scalar(Math.sqrt(s)), a.scalar(LEAST_NORM)))));
  const dots = await sumsOf(tensor, along, [a.mul(unit(v0, norms[0] as Float64Array), unit(v1, norms[1] as Float64Array))]);
  const shares = Array.from(dots[0] as Float64Array, (dot) => share(a, t, dot));
  const [left, right, by] = [0, 1, 2].map((i) => leaf(along, Float64Array.from(shares, (numbers) => numbers[i] as number))) as [Float, Float, Float];
  const merged = a.div(a.add(a.mul(v0, left), a.mul(v1, right)), by);
  return base === null ? merged : a.add(base, merged);
};

/** Factors of both vectors and what their sum is divided by. */
function share({ scalar }: Arithmetic, t: number, dot: number): [number, number, number] {
  const cos = Math.max(-1, Math.min(1, scalar(dot)));
  if (scalar(1 - scalar(cos * cos)) <= PARALLEL) return [1 - t, t, 1];
  const angle = scalar(Math.acos(cos));
  return [scalar(Math.sin(scalar((1 - t) * angle))), scalar(Math.sin(scalar(t * angle))), scalar(Math.sin(angle))];
}

async function sumsOf({ passes }: Tensor, along: Along | null, sums: readonly Float[]): Promise<readonly Float64Array[]> {
  if (along !== null) return passes.sumsAlong(along, sums);
  return (await passes.totals(sums)).sums.map((sum) => Float64Array.of(sum));
}

/** Numbers a vector as an expression: one for all elements, or a row's or column's own. */
function leaf(along: Along | null, values: Float64Array): Float {
  if (along === null) return number(values[0] ?? 1);
  const numbers = Float32Array.from(values);
  return along === "rows" ? perRow(numbers) : perColumn(numbers);
}
