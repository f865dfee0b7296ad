/** Scores of one candidate on the recipe's tasks, and the one number a search is told. */
import { aggregate, type References } from "../fitness/aggregate.ts";
import { metrics } from "../fitness/metrics/table.ts";
import type { Outputs } from "../fitness/metrics/types.ts";
import type { SampleScores } from "../fitness/types.ts";
import type { Recipe } from "../recipe/schema.ts";
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
  /** The metric itself, whatever the measure was. */
  readonly metrics: Record<string, number>;
  readonly samples: Record<string, SampleScores>;
  readonly materialiseMs: number;
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
    const scores = nonFinite ? [] : await this.#bench.score(tasks, side, between, options.count);
    const samples: Record<string, SampleScores> = {};
    tasks.forEach(({ id }, i) => {
      if (scores[i]) samples[id] = scores[i];
    });
    const finite = !nonFinite && scores.every((score) => score?.finite);
    return { ...this.#values(samples, side, finite), samples, materialiseMs };
  }

  #values(samples: Record<string, SampleScores>, side: Side, finite: boolean): Pick<Scored, "fitness" | "tasks" | "counts" | "metrics"> {
    const values: Record<string, number> = {};
    const counts: Record<string, number> = {};
    const measured: Record<string, number> = {};
    for (const task of this.#bench.loaded.tasks) {
      const scores = samples[task.id];
      if (!scores) continue;
      const outputs = outputsOf(task, scores, task.sides[side].labels);
      const measure = task.recipe.measure ?? this.#recipe.fitness.measure;
      const metric = metrics[task.recipe.metric];
      measured[task.id] = metric.score(outputs);
      // A float32, so that a link can carry exactly what the search was told.
      values[task.id] = Math.fround(measure === "log_likelihood" ? metrics.log_likelihood.score(outputs) : measured[task.id]);
      if (metric.proportion) counts[task.id] = scores.correct.reduce((sum, right) => sum + right, 0);
    }
    const fitness = finite ? aggregate(this.#recipe.tasks, values, this.#recipe.fitness.aggregate, this.references) : null;
    return { fitness: fitness !== null && Number.isFinite(fitness) ? fitness : null, tasks: values, counts, metrics: measured };
  }
}

/** What a metric sees of a task's first `predictions.length` samples. */
export function outputsOf(task: LoadedTask, scores: SampleScores, labels: Int32Array | Float64Array): Outputs {
  const { predictions, logLikelihood } = scores;
  return { labels: labels.subarray(0, predictions.length), predictions, logLikelihood, classes: task.labels.length };
}
