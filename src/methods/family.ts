/**
 * The task-arithmetic family: sparsify each δ, rescale, × weight, sign consensus, sum, ÷ if `normalize`, × lambda, + base.
 * A method of it is its choice of the first and the third. `election: unweighted` elects before the weights and divides by how many agree.
 */
import { consensus } from "./consensus.ts";
import { and, eq, flag, type Float, mul, not, number, select } from "./expression.ts";
import { baseOf, type Method, type Tensor } from "./method.ts";
import { sparsified } from "./sparsify/rescale.ts";
import type { Sparsifier } from "./sparsify/sparsify.ts";

/** A sum of weights below it divides nothing. */
const LEAST_WEIGHT = 1e-8;

export interface FamilyRule {
  readonly sparsify: Sparsifier | null;
  readonly random?: boolean;
  readonly consensus: boolean;
}

export function taskVectors({ sparsify, random = false, consensus: elects }: FamilyRule): Method {
  return async (tensor) => {
    const { arithmetic: a, models, parameters } = tensor;
    const base = baseOf(tensor);
    if (models.length === 0) return base;
    const keeps = sparsify ? await sparsify(tensor) : models.map(() => "all" as const);
    const weights = models.map(({ parameters: own }) => a.scalar(own["weight"] as number));
    const sparse = await sparsified(tensor, keeps, random);
    const vectors = sparse.map((vector, i) => a.mul(vector, number(weights[i] as number)));
    const alike = parameters["election"] === "unweighted";
    const merged = elects ? elected(tensor, vectors, alike ? sparse : vectors, alike ? weights.map(() => 1) : weights) : plain(tensor, vectors, weights);
    return a.add(base, a.mul(merged, number(parameters["lambda"] as number)));
  };
}

function plain({ arithmetic: a, parameters }: Tensor, vectors: readonly Float[], weights: readonly number[]): Float {
  const mixed = a.sum(vectors);
  if (!parameters["normalize"]) return mixed;
  const total = a.scalar(weights.reduce((so, weight) => Math.fround(so + weight), 0));
  return a.div(mixed, number(Math.abs(total) < LEAST_WEIGHT ? 1 : total));
}

/** `voters`: whose signs are elected; `weights`: what each that agrees adds to the divisor. */
function elected(tensor: Tensor, vectors: readonly Float[], voters: readonly Float[], weights: readonly number[]): Float {
  const { arithmetic: a, parameters } = tensor;
  const counts = consensus(a, voters).map((keep) => flag(keep));
  const mixed = a.sum(vectors.map((vector, i) => mul(vector, counts[i] as Float)));
  watchErased(tensor, mixed);
  if (!parameters["normalize"]) return mixed;
  const divisor = a.sum(counts.map((count, i) => mul(count, number(weights[i] as number))));
  return a.div(mixed, select(eq(divisor, number(0)), number(1), divisor));
}

/** Seen after the fact: only where nothing came through does it cost a pass to know whether there was anything. */
function watchErased(tensor: Tensor, mixed: Float): void {
  tensor.after(not(eq(mixed, number(0))), async (left) => {
    if (left > 0) return;
    const anything = not(tensor.models.map(({ delta }) => eq(delta, number(0))).reduce(and));
    const { counts: [before = 0] } = await tensor.passes.totals([], [anything]);
    if (before === 0) return;
    tensor.warn("ties-consensus-erased-all", `${tensor.job.method} left nothing of what the models changed in ${before} elements of ${tensor.job.name}: masks, weights and the election of signs erased it all, so it is the base's.`);
  });
}
