/** What kept elements are multiplied with: ‖δ‖₁/‖m‖₁ (mergekit since 2025), or 1/density (the DARE paper, PEFT). */
import { type Arithmetic, arithmetic } from "../arithmetic.ts";
import { abs, type Float, mul, number, select, type Truth } from "../expression.ts";
import type { Model, Tensor } from "../method.ts";
import type { Survey } from "../survey.ts";
import type { Kept } from "./sparsify.ts";

/** Norms below it are left alone. */
const LEAST_NORM = 1e-7;

/** δ where kept, else 0. */
export function masked(delta: Float, keep: Kept): Float {
  if (keep === "all") return delta;
  if (keep === "none") return number(0);
  return select(keep, delta, number(0));
}

/** The sparsified task vectors of all models. */
export async function sparsified(tensor: Tensor, keeps: readonly Kept[], random: boolean): Promise<readonly Float[]> {
  const { models, parameters, arithmetic: own } = tensor;
  const vectors = models.map(({ delta }, i) => masked(delta, keeps[i] as Kept));
  if (!parameters["rescale"]) return vectors;
  // Random masks are applied in f32 where the arithmetic is float16.
  const work = random && own.dtype === "float16" ? arithmetic("float32") : own;
  const factors = parameters["rescaling"] === "inverse" ? models.map(inverse) : await normFactors(tensor, keeps, vectors, work);
  return vectors.map((vector, i) => {
    const factor = factors[i] as number;
    return typeof keeps[i] === "string" || factor === 1 ? vector : own.round(mul(vector, number(factor)));
  });
}

const inverse = ({ parameters }: Model) => 1 / (parameters["density"] as number);

async function normFactors(tensor: Tensor, keeps: readonly Kept[], vectors: readonly Float[], { scalar }: Arithmetic): Promise<number[]> {
  const { models, passes, parameters, survey } = tensor;
  const partly = keeps.flatMap((keep, i) => (typeof keep === "string" ? [] : [{ keep: keep as Truth, i }]));
  if (partly.length === 0) return models.map(() => 1);
  const sums = parameters["scope"] === "model"
    ? partly.flatMap(({ i }) => normsOf(survey(), models[i] as Model))
    : (await passes.totals(partly.flatMap(({ i }) => [abs((models[i] as Model).delta), abs(vectors[i] as Float)]))).sums;
  const factors = models.map(() => 1);
  partly.forEach(({ i }, p) => {
    const [dense, left] = [scalar(sums[2 * p] as number), scalar(sums[2 * p + 1] as number)];
    if (dense >= LEAST_NORM && left >= LEAST_NORM && Number.isFinite(dense / left)) factors[i] = scalar(dense / left);
  });
  return factors;
}

function normsOf({ norms }: Survey, { position }: Model): [number, number] {
  const found = norms[position];
  return found ? [found.dense, found.kept] : [1, 1];
}
