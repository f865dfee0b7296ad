/** Scores of one candidate on the recipe's tasks, and the one number a search is told. */
import { aggregate, type References } from "../fitness/aggregate.ts";
import { metricOf, metrics } from "../fitness/metrics/table.ts";
import { meritOf, type Outputs } from "../fitness/metrics/types.ts";
import { numberRead } from "../fitness/tasks/extract.ts";
import type { Needs } from "../fitness/texts/scores.ts";
import type { SampleScores, SampleSet } from "../fitness/types.ts";
import type { Recipe, RecipeTask } from "../recipe/schema.ts";
import type { GatheredWarning } from "../methods/warnings.ts";
import type { Candidate } from "../search/types.ts";
import type { Gate } from "./gate.ts";
import type { LoadedTask, Side } from "./loading.ts";
import type { Residence } from "./residence.ts";
import type { Workbench } from "./workbench.ts";

export interface Scored {
  /** null: diverged. */
  readonly fitness: number | null;
  /** What fitness is made of, per task: float32 values of the recipe's measure. */
  readonly tasks: Record<string, number>;
  /** Right answers a task, where the metric is a proportion. */
  readonly counts: Record<string, number>;
  /** The metric itself, whatever the measure was; missing where nothing was asked for it. */
  readonly metrics: Record<string, number>;
  readonly samples: Record<string, SampleScores>;
  readonly materialiseMs: number;
}

/** The first samples of a set; all where no count is given. */
function firstOf(set: SampleSet, count: number | undefined): SampleSet {
  if (count === undefined || count >= set.count) return set;
  return set.kind === "pictures" ? { ...set, count, labels: set.labels.subarray(0, count) } : { ...set, count, labels: set.labels.subarray(0, count) };
}

/** What is scored: a candidate, resident particles included, or plain weights. */
export type Subject = { candidate: Candidate; residence?: Residence } | { weights: readonly Float32Array[] };

export interface ScoreOptions {
  readonly tasks?: readonly string[];
  /** First samples of each task; all when left out. */
  readonly count?: number;
  readonly onPlaced?: (ms: number) => void;
  /** Asks the gate for nothing: a guest's own work. */
  readonly quiet?: boolean;
  /** What the search is told and nothing more: where that is a log-likelihood, no text is written. */
  readonly brief?: boolean;
  /** What will likely be scored next. */
  readonly next?: Candidate | null;
}

export class Scorer {
  readonly #bench: Workbench;
  readonly #recipe: Recipe;
  readonly #gate: Gate;
  /** Base and own expert a task, for `aggregate: normalised`. */
  references: References | null = null;
  #warnings: GatheredWarning[] = [];

  constructor(bench: Workbench, recipe: Recipe, gate: Gate) {
    this.#bench = bench;
    this.#recipe = recipe;
    this.#gate = gate;
  }

  /** Materialises and scores on one side, all tasks (or those named), the first `count` samples of each (or all). */
  score(subject: Subject, side: Side, options: ScoreOptions = {}): Promise<Scored> {
    return this.#bench.persist(() => this.#scoreOnce(subject, side, options));
  }

  async place(subject: Subject): Promise<{ nonFinite: boolean }> {
    if ("weights" in subject) return this.#bench.placeWeights(subject.weights);
    const { nonFinite, warnings } = await this.#bench.place(subject.candidate, subject.residence);
    this.#warnings.push(...warnings);
    return { nonFinite };
  }

  /** What the methods of merges placed since the last call had to say. */
  takeWarnings(): GatheredWarning[] {
    return this.#warnings.splice(0);
  }

  async #scoreOnce(subject: Subject, side: Side, options: ScoreOptions): Promise<Scored> {
    const begin = performance.now();
    const { nonFinite } = await this.place(subject);
    const materialiseMs = performance.now() - begin;
    options.onPlaced?.(materialiseMs);
    if (!options.quiet) await this.#gate.pass("phase");
    const tasks = this.#bench.loaded.tasks.filter(({ id }) => options.tasks?.includes(id) ?? true);
    let served = this.#gate.served;
    const between = async () => {
      if (options.quiet) return;
      await this.#gate.pass("batch");
      if (this.#gate.served === served) return;
      served = this.#gate.served;
      await this.place(subject); // a guest wrote the slot while the run was paused
    };
    if (options.next && !options.quiet) this.#bench.ahead(options.next);
    const jobs = tasks.map((task) => ({ task, set: firstOf(task.sides[side], options.count), needs: this.#needs(task, side, options.brief ?? false) }));
    const scores = nonFinite ? [] : await this.#bench.score(jobs, between);
    const samples: Record<string, SampleScores> = {};
    tasks.forEach(({ id }, i) => {
      if (scores[i]) samples[id] = scores[i];
    });
    const finite = !nonFinite && scores.every((score) => score?.finite);
    const needs = new Map(jobs.map((job) => [job.task.id, job.needs]));
    return { ...this.#values(samples, side, finite, needs), samples, materialiseMs };
  }

  /** What a search is told, and the metric. Only writing is dear enough to be left out where nobody asks for it. */
  #needs(task: LoadedTask, side: Side, brief: boolean): Needs {
    const likelihood = (task.recipe.measure ?? this.#recipe.fitness.measure) === "log_likelihood";
    const written = task.texts?.kind === "generation" || task.texts?.kind === "code";
    return { metric: !(brief && written && likelihood), likelihood: likelihood && !(written && side === "test") };
  }

  #values(samples: Record<string, SampleScores>, side: Side, finite: boolean, needs: ReadonlyMap<string, Needs>): Pick<Scored, "fitness" | "tasks" | "counts" | "metrics"> {
    const values: Record<string, number> = {};
    const counts: Record<string, number> = {};
    const measured: Record<string, number> = {};
    for (const task of this.#bench.loaded.tasks) {
      const scores = samples[task.id];
      if (!scores) continue;
      const outputs = outputsOf(task, scores, task.sides[side]);
      const asked = needs.get(task.id) ?? { metric: true, likelihood: true };
      const metric = metricOf(task.recipe);
      if (asked.metric) measured[task.id] = metric.score(outputs);
      // A float32, so that a link can carry exactly what the search was told.
      values[task.id] = Math.fround(asked.likelihood ? metrics.log_likelihood.score(outputs) : meritOf(metric, measured[task.id] ?? NaN));
      if (metric.proportion && metric.sample && asked.metric) counts[task.id] = sumOver(outputs.labels.length, (i) => metric.sample?.(outputs, i) ?? 0);
    }
    const fitness = finite ? aggregate(this.#recipe.tasks, values, this.#recipe.fitness.aggregate, this.references) : null;
    return { fitness: fitness !== null && Number.isFinite(fitness) ? fitness : null, tasks: values, counts, metrics: measured };
  }
}

const sumOver = (n: number, value: (i: number) => number) => Array.from({ length: n }, (_, i) => value(i)).reduce((a, b) => a + b, 0);

/** What a metric sees of the first samples of one side of a task: as many as were scored. */
export function outputsOf(task: Pick<LoadedTask, "labels" | "recipe">, scores: SampleScores, side: SampleSet): Outputs {
  const { logLikelihood, uniform, tokens, choices, texts } = scores;
  const n = scores.predictions.length;
  const numbers = texts !== null && metricOf(task.recipe).labels === "numbers";
  const right = side.kind === "texts" && choices !== null ? side.samples.slice(0, n).map((sample, i) => sample.right ?? [side.labels[i] ?? NaN]) : null;
  return {
    labels: side.labels.subarray(0, n),
    predictions: numbers ? numbersIn(texts, task.recipe.extract) : scores.predictions,
    logLikelihood,
    classes: task.labels.length,
    ...(uniform && { uniform }), ...(tokens && { tokens }), ...(choices && { choices }), ...(right && { right }),
  };
}

/** Numbers that were answered as texts. A text without one says nothing: it counts as the mean of the others. */
function numbersIn(texts: readonly string[], extract: RecipeTask["extract"]): Float64Array {
  const found = texts.map((text) => numberRead(text, extract));
  const there = found.filter((number) => number !== null);
  const mean = there.length === 0 ? 0 : there.reduce((a, b) => a + b, 0) / there.length;
  return Float64Array.from(found, (number) => number ?? mean);
}
