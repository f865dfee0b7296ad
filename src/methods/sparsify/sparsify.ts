/**
 * Which elements of a task vector stay. One rule each; none of them knows what becomes of the rest.
 * Every count is exact and every random number is keyed by the element, so the same elements stay however a tensor is read.
 */
import { LabError } from "../../lib/error.ts";
import { seedKey } from "../../lib/philox.ts";
import { keepBelow, maskName } from "../../lib/rules.ts";
import { and, type Cut, inTop, kept, not, type Truth } from "../expression.ts";
import type { Model, Tensor } from "../method.ts";
import { cutsOf, NOTHING } from "./cuts.ts";

/** Truth an element and model; "all" and "none" where no element differs. */
export type Kept = Truth | "all" | "none";
export type Sparsifier = (tensor: Tensor) => Promise<readonly Kept[]>;

const densityOf = ({ parameters }: Model) => parameters["density"] as number;

function settled(model: Model, otherwise: (density: number) => Kept): Kept {
  const density = densityOf(model);
  return density >= 1 ? "all" : density <= 0 ? "none" : otherwise(density);
}

const keysOf = ({ job }: Tensor, { id }: Model) => ({ name: maskName(id, job.name), key: seedKey(job.seed) });

/** DARE (arXiv 2311.03099): each element alike, with chance density. */
export const bernoulli: Sparsifier = async (tensor) =>
  tensor.models.map((model) => settled(model, (density) => kept({ kind: "random", ...keysOf(tensor, model), below: keepBelow(density) })));

/** DELLA (arXiv 2406.11617): with chance density − ε + 2ε·rank/(most), rank of |δ| along the last dimension, the least 0. */
export const ranked: Sparsifier = async (tensor) => {
  const columns = tensor.job.shape.at(-1) ?? 1;
  return tensor.models.map((model) =>
    settled(model, (density) => {
      const epsilon = model.parameters["epsilon"] as number;
      const chance = (rank: number) => (columns === 1 ? density : density - epsilon + (2 * epsilon * rank) / (columns - 1));
      const below = Uint32Array.from({ length: columns }, (_, rank) => keepBelow(chance(rank)));
      return kept({ kind: "ranked", of: model.delta, ...keysOf(tensor, model), below });
    }),
  );
};

/** Counts of the largest |δ| between which elements stay: [kept and above, above]. */
export type Tails = (length: number, model: Model) => readonly number[];

/** TIES (arXiv 2306.01708): the max(1, ⌊density·n⌋) largest. */
export const largest: Tails = (length, model) => [Math.max(1, Math.floor(densityOf(model) * length))];

/** Breadcrumbs (arXiv 2312.06795): ⌊γn⌋ largest go; of what is below, ⌊density·n⌋ stay. Fewer go where too few would be left. */
export const betweenTails: Tails = (length, model) => {
  const stay = Math.floor(densityOf(model) * length);
  const least = Math.max(0, length - stay - Math.floor((model.parameters["gamma"] as number) * length));
  return [length - least, length - least - stay];
};

/** By magnitude: from the tensor's own counts, or from cuts that were made over the whole model. */
export const magnitude = (tails: Tails): Sparsifier => async (tensor) => {
  const chosen = tensor.models.filter((model) => settled(model, () => "none") === "none" && densityOf(model) > 0);
  warnOfNothing(tensor, chosen, tails);
  const cuts = tensor.parameters["scope"] === "model"
    ? chosen.map(({ position }) => surveyed(tensor, position))
    : await cutsOf(tensor.passes, chosen.map((model) => ({ of: model.delta, keep: tails(tensor.length, model) })));
  return tensor.models.map((model) => {
    const found = cuts[chosen.indexOf(model)];
    if (!found) return densityOf(model) >= 1 ? "all" : "none";
    const [wide, narrow] = found as [Cut, Cut?];
    const top = inTop(model.delta, wide);
    return narrow === undefined || narrow.threshold === NOTHING.threshold ? top : and(top, not(inTop(model.delta, narrow)));
  });
};

function warnOfNothing({ job, length, warn }: Tensor, models: readonly Model[], tails: Tails): void {
  for (const model of models) {
    const [wide = 0, narrow = 0] = tails(length, model);
    if (wide > narrow || length === 0) continue;
    warn("breadcrumbs-kept-nothing", `${job.method} keeps nothing of ${model.id} in ${job.name}: ${densityOf(model)} of ${length} elements is less than one.`);
  }
}

function surveyed({ job, survey }: Tensor, position: number): Cut[] {
  const cuts = survey().cuts[position];
  if (!cuts) throw new LabError("internal", `The survey of the model has no cut for input ${position} of ${job.name}.`);
  return cuts.map(({ threshold, below }) => ({ threshold, below: below.get(job.name) ?? 0 }));
}
