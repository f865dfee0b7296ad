/** Select where models vary most, weigh each by its energy, erase minority signs (arXiv 2408.07990). */
import { consensus } from "../consensus.ts";
import { add, type Cut, eq, flag, type Float, inTop, max, mul, not, number, sub } from "../expression.ts";
import { baseOf, type Method, type Tensor } from "../method.ts";
import { cutsOf } from "../sparsify/cuts.ts";

/** Mean squares that add up to less are told apart no more: all models weigh the same. */
const LEAST_ENERGY = 1e-6;
const LEAST_DIVISOR = 1e-6;

export const sce: Method = async (tensor) => {
  const { arithmetic: a, models } = tensor;
  const base = baseOf(tensor);
  if (models.length === 0) return base;
  const vectors = await selected(tensor);
  const weights = await energies(tensor, vectors);
  const erased = consensus(a, vectors).map((keep, i) => mul(flag(keep), number(weights[i] as number)));
  const merged = a.sum(vectors.map((vector, i) => a.mul(vector, erased[i] as Float)));
  return a.add(base, a.div(merged, max(a.sum(erased), number(a.scalar(LEAST_DIVISOR)))));
};

async function selected({ arithmetic: a, models, parameters, passes }: Tensor): Promise<Float[]> {
  const share = parameters["select_topk"] as number;
  const deltas = models.map(({ delta }) => delta);
  if (share >= 1) return deltas;
  const spread = a.round(variance(deltas));
  const { counts: [varied = 0] } = share > 0 ? await passes.totals([], [not(eq(spread, number(0)))]) : { counts: [] };
  const keep = Math.trunc(Math.fround(Math.fround(varied) * Math.fround(share)));
  if (keep === 0) return deltas.map((delta) => mul(delta, number(0)));
  const [[cut]] = (await cutsOf(passes, [{ of: spread, keep: [keep] }])) as [[Cut]];
  const top = flag(inTop(spread, cut));
  return deltas.map((delta) => mul(delta, top));
}

/** Welford's, which gives exactly 0 where all are equal. */
function variance(values: readonly Float[]): Float {
  let mean = values[0] as Float;
  let squares: Float = number(0);
  values.slice(1).forEach((value, i) => {
    const off = sub(value, mean);
    mean = add(mean, mul(off, number(1 / (i + 2)))); // a product is the same on every device, a quotient is not
    squares = add(squares, mul(off, sub(value, mean)));
  });
  return mul(squares, number(1 / values.length));
}

async function energies(tensor: Tensor, vectors: readonly Float[]): Promise<number[]> {
  const { arithmetic: a, length, passes, job } = tensor;
  const { sums } = await passes.totals(vectors.map((vector) => a.mul(vector, vector)));
  const means = sums.map((sum) => a.scalar(length === 0 ? 0 : sum / length));
  const total = a.scalar(means.reduce((so, mean) => so + mean, 0));
  if (Math.abs(total) >= LEAST_ENERGY) return means.map((mean) => a.scalar(mean / total));
  if (vectors.length > 1) {
    tensor.warn("sce-uniform-weights", `sce weighs all models alike in ${job.name}: their changes are so small (mean squares add up to ${total.toPrecision(2)}, under 1e-6) that it tells them apart no more.`);
  }
  return means.map(() => a.scalar(1 / vectors.length));
}
