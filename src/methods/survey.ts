/**
 * One look at all tensors of a model, for numbers that do not follow from one tensor alone: cuts over the whole flattened model
 * (`scope: model`, as the papers have it) and the ranks of layers (rankmean). Two or three passes over the inputs, in chunks.
 */
import { LabError } from "../lib/error.ts";
import { arithmetic } from "./arithmetic.ts";
import { settle, type Settled } from "./check.ts";
import type { Executor, Passes } from "./executor.ts";
import { abs, and, flag, inTop, mul, not } from "./expression.ts";
import { type Model, modelsOf } from "./method.ts";
import { ALL, NOTHING } from "./sparsify/cuts.ts";
import { RadixSelect } from "./sparsify/select.ts";
import { betweenTails, largest, type Tails } from "./sparsify/sparsify.ts";
import type { TensorJob, TensorSource } from "./types.ts";

/** |δ| at which a selection over the whole flattened model cuts, and which of the equal ones are still kept, a tensor at a time. */
export interface ModelCut {
  /** Bits of |δ| (31 of them): above is kept. */
  readonly threshold: number;
  /** Those on the threshold are kept below this element index, by tensor name; a tensor that is not listed keeps none. */
  readonly below: ReadonlyMap<string, number>;
}

export interface Survey {
  /** By input position: the cuts of its sparsifier, the one that keeps more first (breadcrumbs has two). Empty where it has none. */
  readonly cuts: readonly (readonly ModelCut[])[];
  /** By input position: Σ|δ| before and after its cuts. */
  readonly norms: readonly ({ readonly dense: number; readonly kept: number } | null)[];
  /** rankmean: by input position, rank of a layer among the model's own layers by Σ|δ|, 1 the least. */
  readonly ranks: readonly ReadonlyMap<number, number>[];
}

/** Whether `mergeTensor` of this job asks for a survey of all jobs of its model. */
export function needsSurvey({ method, parameters }: Pick<TensorJob, "method" | "parameters">): boolean {
  return method === "rankmean" || parameters["scope"] === "model";
}

export interface SurveyOptions {
  readonly executor: Executor;
  readonly chunkElements?: number;
  readonly signal?: AbortSignal;
}

type Open = (job: TensorJob) => TensorSource | Promise<TensorSource>;

/** `jobs`: every tensor of the merge, one method, the same inputs in the same order; among equals the earlier job's elements are kept. */
export async function surveyModel(jobs: readonly TensorJob[], open: Open, options: SurveyOptions): Promise<Survey> {
  const [first] = jobs;
  if (!first) return { cuts: [], norms: [], ranks: [] };
  const inputs = first.inputs.map(({ id }) => id);
  for (const job of jobs) {
    const same = job.method === first.method && job.base === first.base && job.inputs.length === inputs.length && job.inputs.every(({ id }, i) => id === inputs[i]);
    if (!same) throw new LabError("bad-recipe", `${first.method} looks at the whole model, so every tensor must be merged by it from the same models; ${job.name} is not.`);
  }
  const each = (use: Use) => eachTensor(jobs, open, options, use);
  return first.method === "rankmean" ? { cuts: [], norms: [], ranks: await layerRanks(first, each) } : { ...(await modelCuts(first, jobs, each)), ranks: [] };
}

type Use = (job: TensorJob, models: readonly Model[], passes: Passes) => Promise<void>;

async function eachTensor(jobs: readonly TensorJob[], open: Open, { executor, ...options }: SurveyOptions, use: Use): Promise<void> {
  for (const job of jobs) {
    const { models } = modelsOf(job, settle(job), arithmetic(job.dtype ?? "float32"));
    const passes = await executor.open({ name: job.name, shape: job.shape, inputs: job.inputs.length }, await open(job), options);
    try {
      await use(job, models, passes);
    } finally {
      passes.close();
    }
  }
}

async function layerRanks({ inputs }: TensorJob, each: (use: Use) => Promise<void>): Promise<Survey["ranks"]> {
  const sums = inputs.map(() => new Map<number, number>());
  await each(async ({ layer }, models, passes) => {
    if (layer === null || layer === undefined) return;
    const totals = await passes.totals(models.map(({ delta }) => abs(delta)));
    models.forEach(({ position }, m) => {
      const own = sums[position] as Map<number, number>;
      own.set(layer, (own.get(layer) ?? 0) + (totals.sums[m] as number));
    });
  });
  return sums.map((own) => new Map([...own].sort((a, b) => a[1] - b[1] || a[0] - b[0]).map(([layer], place) => [layer, place + 1])));
}

const tailsOf = (method: string): Tails => (method.startsWith("breadcrumbs") ? betweenTails : largest);

async function modelCuts(first: TensorJob, jobs: readonly TensorJob[], each: (use: Use) => Promise<void>): Promise<Omit<Survey, "ranks">> {
  const settled = settle(first);
  const { models } = modelsOf(first, settled, arithmetic("float32"));
  for (const job of jobs) sameShare(first, settled, job, settle(job));
  const length = jobs.reduce((total, { shape }) => total + shape.reduce((product, side) => product * side, 1), 0);
  const cut = models.filter(({ parameters }) => (parameters["density"] as number) > 0 && (parameters["density"] as number) < 1);
  const selects = new Map(cut.map((model) => [model.position, new RadixSelect(tailsOf(first.method)(length, model))]));
  const running = (own: readonly Model[]) =>
    own.flatMap(({ position, delta }) => {
      const select = selects.get(position);
      return select ? [{ of: abs(delta), select, signed: false }] : [];
    });
  await each((_, own, passes) => passes.tally(running(own), "high"));
  for (const select of selects.values()) select.narrow();
  await each((_, own, passes) => passes.tally(running(own), "low"));

  const found = [...selects].flatMap(([position, select]) =>
    select.finish().map((target) => ({ position, ...target, left: target.wanted, below: new Map<string, number>(), above: 0 })),
  );
  const dense = first.inputs.map(() => 0);
  await each(async (job, own, passes) => {
    const deltaOf = (position: number) => (own.find((model) => model.position === position) as Model).delta;
    const asked = found.filter(({ count }) => count > 0);
    const strictly = asked.map(({ position, threshold }) => inTop(deltaOf(position), { threshold, below: 0 }));
    const equal = asked.map(({ position, threshold }, i) => and(inTop(deltaOf(position), { threshold, below: ALL }), not(strictly[i]!))); // one each
    const above = asked.map(({ position }, i) => mul(abs(deltaOf(position)), flag(strictly[i]!))); // one each
    const { sums, counts } = await passes.totals([...cut.map(({ position }) => abs(deltaOf(position))), ...above], equal);
    cut.forEach(({ position }, i) => (dense[position] = (dense[position] as number) + (sums[i] as number)));
    for (const [i, target] of asked.entries()) {
      const here = counts[i] as number;
      target.above += sums[cut.length + i] as number;
      if (here === 0 || target.left === 0) continue;
      target.below.set(job.name, here <= target.left ? ALL : ((await passes.places([{ of: abs(deltaOf(target.position)), bits: target.threshold, from: 0, wanted: target.left }]))[0] as number));
      target.left -= Math.min(here, target.left);
    }
  });
  return {
    cuts: first.inputs.map((_, i) => found.filter(({ position }) => position === i).map(({ count, threshold, below }) => (count > 0 ? { threshold, below } : { ...NOTHING, below: new Map() }))),
    norms: first.inputs.map((_, i) => {
      // Those on a threshold are equally large, whichever of them are kept.
      const [wide, narrow] = found.filter(({ position }) => position === i).map(({ count, above, wanted, threshold }) => (count > 0 ? above + wanted * sizeOf(threshold) : 0));
      return wide === undefined ? null : { dense: dense[i] as number, kept: wide - (narrow ?? 0) };
    }),
  };
}

const sizeOf = (bits: number) => new Float32Array(Int32Array.of(bits).buffer)[0] as number;

/** A share of the whole model is one number. */
function sameShare(first: TensorJob, a: Settled, job: TensorJob, b: Settled): void {
  for (const position of a.models) {
    for (const name of ["density", "gamma"]) {
      const [one, other] = [a.perModel[position]?.[name], b.perModel[position]?.[name]];
      if (one === other) continue;
      throw new LabError("bad-recipe", `With scope model there is one ${name} a model, but ${first.inputs[position]?.id} has ${one} in ${first.name} and ${other} in ${job.name}. Give one number, or take scope tensor.`);
    }
  }
}
