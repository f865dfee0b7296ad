/** The merge thread's service: prepares a recipe, runs it, and answers guests (drawings, probes) in between. */
import * as Comlink from "comlink";
import type { Report } from "../recipe/report.ts";
import { type MergeOrder, parseMerge } from "../recipe/merge.ts";
import type { Recipe } from "../recipe/schema.ts";
import { runtimeMeter } from "../fitness/runtime.ts";
import { LabError } from "../lib/error.ts";
import { isSearch, planOf } from "../search/searches.ts";
import type { Candidate } from "../search/types.ts";
import type { DeviceInfo, LabEvent, Plane } from "../threads/events.ts";
import type { HubProgress, HubService } from "../threads/hub.ts";
import type { Answer, EngineOptions, ExportedFile, MergeService, Prepared, Remerged, RunOrder, Statistics, Which } from "../threads/merge.ts";
import { answerDrawing, answerText } from "./answering.ts";
import { derivedOf, directionsOf } from "./directions.ts";
import { equip, type Equipment } from "./equipment.ts";
import { formulaText } from "./formula.ts";
import { exportModel } from "./exporting.ts";
import { Gate } from "./gate.ts";
import { load, type Hub, type Loaded } from "./loading.ts";
import { modelSubject } from "./models.ts";
import { planeOf } from "./plane.ts";
import { runRecipe, type Finished } from "./run.ts";
import { Scorer, type Subject } from "./scoring.ts";
import { statisticsOf } from "./statistics.ts";
import { wordsOf } from "./words.ts";
import { Workbench } from "./workbench.ts";

/** What `prepare` made and `run` uses; kept until another recipe comes. */
interface Ready {
  /** As it was given; `recipe` has its tasks as their sources settled them. */
  readonly asked: Recipe;
  readonly recipe: Recipe;
  readonly loaded: Loaded;
  readonly bench: Workbench;
  readonly plane: Plane | null;
  readonly prepared: Prepared;
}

export class MergeEngine implements MergeService {
  #options: EngineOptions = { backend: "auto" };
  #hub: Hub | null = null;
  #emit: (event: LabEvent) => void = () => undefined;
  #equipment: Equipment | null = null;
  #ready: Ready | null = null;
  #gate: Gate | null = null;
  #finished: Finished | null = null;
  /** Preparations, runs and guests between runs, one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  async open(options: EngineOptions, hub: MessagePort, onEvent: (event: LabEvent) => void): Promise<DeviceInfo> {
    this.#options = options;
    this.#hub = Comlink.wrap<HubService>(hub) as unknown as Hub; // same calls, answers as promises
    this.#emit = (event) => void onEvent(event);
    this.#equipment = await equip(options, options.lostTwice ? 2 : 0);
    return this.#equipment.info;
  }

  prepare(recipe: Recipe): Promise<Prepared> {
    return this.#next(() => this.#prepare(recipe));
  }

  run(order: RunOrder): Promise<Report> {
    return this.#next(async () => {
      const { recipe, loaded, bench, plane, prepared } = this.#asReady();
      const gate = new Gate({ paused: () => this.#emit({ type: "paused" }), resumed: () => this.#emit({ type: "resumed" }) });
      if (order.paused) gate.pause();
      this.#gate = gate;
      this.#emit({
        type: "loaded",
        device: bench.equipment.info,
        models: prepared.models,
        tasks: prepared.tasks,
        columns: bench.columns,
        space: { segments: loaded.alignment.space.segments.length, length: loaded.alignment.space.length },
        plane,
        plan: prepared.plan,
      });
      try {
        this.#finished = await runRecipe({ recipe, bench, gate, emit: this.#emit, order });
        return this.#finished.report;
      } finally {
        this.#gate = null;
        await gate.end();
      }
    });
  }

  pause(): void {
    this.#gate?.pause();
  }

  resume(): void {
    this.#gate?.resume();
  }

  step(by: "phase" | "particle" | "iteration"): void {
    this.#gate?.step(by);
  }

  stop(): void {
    this.#gate?.stop();
  }

  cancel(): void {
    this.#gate?.cancel();
  }

  predict(image: Uint8Array, models: Which[], task: string | null): Promise<Answer[]> {
    return this.#asGuest(() => {
      const { bench } = this.#asReady();
      return answerDrawing(bench, image, models.map((which) => ({ id: "id" in which ? which.id : "candidate", subject: this.#subject(which) })), task);
    });
  }

  ask(question: { prompt: string; pair?: string }, models: Which[], task: string | null): Promise<Answer[]> {
    return this.#asGuest(() => {
      const { bench } = this.#asReady();
      return answerText(bench, question, models.map((which) => ({ id: "id" in which ? which.id : "candidate", subject: this.#subject(which) })), task);
    });
  }

  probe(candidate: Candidate, count: number): Promise<{ fitness: number | null; tasks: Record<string, number> }> {
    return this.#asGuest(async () => {
      const { bench, recipe } = this.#asReady();
      const scorer = new Scorer(bench, recipe, this.#gate ?? idleGate());
      scorer.references = this.#finished?.references ?? null;
      const { fitness, tasks } = await scorer.score({ candidate }, "optimise", { count, quiet: true, brief: true });
      return { fitness, tasks };
    });
  }

  async remerge(order: MergeOrder): Promise<Remerged> {
    const begin = performance.now();
    const { bench, recipe } = this.#asReady();
    const run = parseMerge(order, recipe);
    const { jobs, norm, inner, warnings } = await bench.merger.measure(recipe, run);
    return {
      formula: formulaText(recipe, run, jobs), norm, inner: { ...inner },
      warnings: warnings.map(({ code, message, tensors }) => ({ code, message, tensors })),
      ms: performance.now() - begin,
    };
  }

  async formula(order: MergeOrder): Promise<string> {
    const { bench, recipe } = this.#asReady();
    const run = parseMerge(order, recipe);
    return formulaText(recipe, run, bench.merger.jobs(recipe, run));
  }

  statistics(): Promise<Statistics> {
    return this.#asGuest(async () => {
      const { bench, recipe, loaded } = this.#asReady();
      const experts = recipe.experts.map(({ id }) => id);
      const sums = await bench.persist(() => bench.basis.statistics(experts.length));
      return statisticsOf(loaded.alignment.space.segments, experts, sums, loaded.models[0].model.config?.raw ?? null);
    });
  }

  async plane(axes: [string, string] | null): Promise<Plane | null> {
    const { bench, recipe, plane } = this.#asReady();
    if (!axes || !plane) return plane;
    return planeOf({ columns: bench.columns, experts: recipe.experts.map((_, i) => i + 1), gram: Float64Array.from(plane.gram) }, axes);
  }

  export(id: string, safetensors = false): Promise<ExportedFile[]> {
    return this.#asGuest(async () => {
      const { bench, recipe, loaded } = this.#asReady();
      if (!this.#hub) throw new LabError("internal", "The merge thread has no hub.");
      const files = await exportModel({ subject: this.#subject({ id }), bench, recipe, loaded, hub: this.#hub, safetensors });
      return this.#finished ? [...files, ...(await wordsOf(this.#finished.report, id))] : files;
    });
  }

  async predictions(): Promise<string> {
    return this.#finished?.predictions ?? "";
  }

  async counts() {
    const ledger = (this.#ready?.bench.equipment ?? this.#equipment)?.gpu?.ledger;
    return { buffers: ledger?.buffers ?? 0, gpuBytes: ledger?.bytes ?? 0, gpuBytesPeak: ledger?.peakBytes ?? 0, inFlightPeak: runtimeMeter.inFlightPeak };
  }

  async ping(): Promise<number> {
    return performance.now();
  }

  async idle(): Promise<void> {
    await this.#queue.catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#gate?.cancel();
    await this.idle();
    await this.#ready?.bench.close();
    this.#ready = null;
  }

  async #prepare(asked: Recipe): Promise<Prepared> {
    if (!this.#hub || !this.#equipment) throw new LabError("internal", "The merge thread was not opened.");
    if (this.#ready && samePreparation(this.#ready.asked, asked)) {
      const recipe = settled(asked, this.#ready.loaded);
      this.#ready = { ...this.#ready, asked, recipe, prepared: { ...this.#ready.prepared, plan: plansOf(recipe) } };
      return this.#ready.prepared;
    }
    await this.#ready?.bench.close();
    this.#ready = null;
    this.#finished = null;
    this.#emit({ type: "phase", phase: "load" });
    this.#equipment.runtime.warmUp().catch(() => undefined); // while models are read; the first real session says what is wrong
    const loaded = await load(asked, this.#hub, this.#emit, (report) => Comlink.proxy(report) as HubProgress);
    const { recipe } = loaded;
    this.#emit({ type: "phase", phase: "compile" });
    const bench = new Workbench(loaded, this.#hub, this.#options, this.#emit);
    await bench.setUp(this.#equipment);
    const gram = await bench.persist(() => bench.gram());
    const plane = planeOf({ columns: bench.columns, experts: recipe.experts.map((_, i) => i + 1), gram }, null);
    const prepared: Prepared = {
      device: bench.equipment.info,
      models: loaded.cards.models,
      tasks: loaded.cards.tasks,
      columns: bench.columns,
      plane,
      modelBytes: 4 * loaded.alignment.space.length,
      downloadBytes: loaded.downloadBytes,
      plan: plansOf(recipe),
    };
    this.#ready = { asked, recipe, loaded, bench, plane, prepared };
    return prepared;
  }

  #asReady(): Ready {
    if (!this.#ready) throw new LabError("bad-arguments", "No models are loaded yet: prepare or run a recipe first.");
    return this.#ready;
  }

  /** Weights by id (base, expert, run, comparison) or by coefficients. */
  #subject(which: Which): Subject {
    if ("candidate" in which) return { candidate: which.candidate };
    const { bench } = this.#asReady();
    const subject = this.#finished?.subjects.get(which.id) ?? modelSubject(bench.columns, which.id);
    if (!subject) throw new LabError("bad-arguments", `There is no scored model called ${which.id}; there are ${["base", ...(this.#finished?.subjects.keys() ?? [])].join(", ")}.`);
    return subject;
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #asGuest<T>(work: () => Promise<T>): Promise<T> {
    return this.#gate ? this.#gate.invite(work) : this.#next(work);
  }
}

function idleGate(): Gate {
  return new Gate({ paused: () => undefined, resumed: () => undefined });
}

const settled = (recipe: Recipe, { tasks }: Loaded): Recipe => ({ ...recipe, tasks: tasks.map((task) => task.recipe) });

/** Same models, samples and directions: nothing has to be loaded again. */
function samePreparation(a: Recipe, b: Recipe): boolean {
  const essence = (recipe: Recipe) =>
    JSON.stringify([recipe.base, recipe.experts, recipe.tasks, recipe.seeds, recipe.batch, directionsOf(recipe, "f32", new Map()), derivedOf(recipe)]);
  return essence(a) === essence(b);
}

const plansOf = (recipe: Recipe): Prepared["plan"] => [...recipe.runs, ...recipe.compare.filter(isSearch)].map((run) => ({ run: run.id, method: run.method, ...planOf(run, recipe) }));
