/** The page's whole state: which run is shown, what may be pressed, and what went wrong. Weights are never here. */
import { isLabError, parseRecipe, type DeviceInfo, type Journal, type Lab, type LabEvent, type Plane, type Recipe, type RunHandle, type Statistics, type ZooFamily } from "../../index.ts";
import { averageRow, rowOf } from "../plots/plane.ts";
import { swarmMap } from "../plots/swarmMap.ts";
import { s } from "../strings.ts";
import { Folders } from "./folders.svelte.ts";
import { Formula } from "./formula.svelte.ts";
import { Landscape, PROBE_SAMPLES } from "./landscape.svelte.ts";
import { Player } from "./player.svelte.ts";
import { journalOf, LastRun, Recorder, type Recording } from "./recording.ts";
import { recipeOf, Settings, type Preset } from "./settings.svelte.ts";
import { SharedLink } from "./sharedLink.svelte.ts";
import { SwarmRun } from "./swarmRun.svelte.ts";
import { Theme } from "./theme.svelte.ts";
import { TryIt, type Asked } from "./tryIt.svelte.ts";

export interface Problem {
  readonly message: string;
  readonly tip: string | null;
}

interface Options {
  /** Prefix of what the page keeps. */
  readonly storage?: string;
  readonly presets?: readonly Preset[];
}

export class App {
  readonly settings = new Settings();
  readonly landscape = new Landscape();
  readonly tryIt = new TryIt();
  readonly theme = new Theme();
  readonly link = new SharedLink();
  readonly formula = new Formula();
  readonly folders = new Folders();

  /** What the middle of the page shows. */
  view = $state<"swarm" | "formula" | "before">("swarm");
  statistics = $state.raw<Statistics | null>(null);

  families = $state.raw<readonly ZooFamily[]>([]);
  device = $state.raw<DeviceInfo | null>(null);
  own = $state.raw(new SwarmRun());
  player = $state.raw<Player | null>(null);
  kept = $state.raw<Recording | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** The recipe of the run that is shown, which the settings may have left behind since. */
  shownRecipe = $state.raw<Recipe | null>(null);
  /** Columns the engine holds now: coefficients can be asked of it. */
  columns = $state.raw<readonly string[]>([]);
  axes = $state.raw<[string, string] | null>(null);
  #ownPlane = $state.raw<Plane | null>(null);
  #preparedFor: Recipe | null = null;
  #lookedAt: Recipe | null = null;
  #handle: RunHandle | null = null;
  #recorder: Recorder | null = null;
  #lastRun: LastRun;

  run = $derived(this.player ? this.player.run : this.own);
  recorded = $derived(this.player !== null);
  busy = $derived(this.own.live);
  plane = $derived(this.#ownPlane ?? this.run.plane);
  family = $derived(this.families.find((f) => this.settings.whole.base.model.startsWith(`zoo/${f.family}/`)) ?? this.families[0] ?? null);
  /** Ids in the family's order: a colour each. */
  palette = $derived(this.family?.experts.map((e) => e.id) ?? this.run.experts);
  exportId = $derived(this.shownRecipe?.export ?? this.run.shown);
  /** True when the engine still holds the models of the run that is shown. */
  canTake = $derived(!this.recorded && this.own.status === "done" && this.own.report !== null);

  constructor(readonly lab: Lab, readonly options: Options = {}) {
    this.#lastRun = new LastRun(options.storage ?? "murmuration");
    this.settings.presets = options.presets ?? [];
  }

  async open(): Promise<void> {
    try {
      this.families = await this.lab.families();
    } catch (problem) {
      this.#fail(problem);
    }
    const first = this.settings.presets[0];
    const family = this.families[0];
    if (first) this.settings.use(first.recipe, first.id);
    else if (family) this.settings.use(recipeOf(family));
    this.tryIt.task = this.settings.recipe.tasks[0]?.id ?? null;
    this.kept = await this.#lastRun.read();
  }

  /** Says what runs where, before anything is loaded. */
  async warmUp(): Promise<void> {
    await this.lab.open().then((device) => (this.device = device), (problem: unknown) => this.#fail(problem));
  }

  /** A link changes what is set, nothing else: nothing starts and nothing is loaded. */
  follow(hash: string): void {
    this.link.read(hash);
    if (this.link.recipe && !this.busy) this.settings.use(this.link.recipe, "link");
  }

  merge(options: { paused?: boolean; journal?: Journal; mode?: "run" | "verify"; recipe?: Recipe } = {}): void {
    if (this.busy || !(options.recipe ?? this.settings.ready)) return;
    const recipe = options.recipe ?? this.settings.recipe;
    this.leaveRecording();
    this.landscape.clear();
    this.link.dismiss();
    this.problem = null;
    this.kept = null;
    this.axes = null;
    this.#ownPlane = null;
    const run = new SwarmRun();
    run.status = "loading";
    this.own = run;
    this.shownRecipe = recipe;
    const recorder = new Recorder(recipe, (recording) => void this.#lastRun.write(recording));
    this.#recorder = recorder;
    const onEvent = (event: LabEvent) => {
      if (event.type === "loaded") this.#loaded(recipe, event.columns, event.device);
      run.apply(event);
      recorder.add(event);
    };
    const { paused, journal, mode } = options;
    try {
      this.#handle = this.lab.start(recipe, { onEvent, ...(paused ? { paused } : {}), ...(journal ? { journal } : {}), ...(mode ? { mode } : {}) });
    } catch (problem) {
      run.fail();
      return this.#fail(problem);
    }
    this.#handle.done.then(
      (report) => {
        run.finish(report);
        recorder.finish(report);
        this.link.compare(report);
        void this.#survey();
      },
      (problem: unknown) => {
        recorder.flush();
        if (run === this.own) run.fail();
        this.#fail(problem);
      },
    );
  }

  /** The search is told the shared scores and each is scored here too: the recipe must be the link's own. */
  verify(): void {
    const { journal, shared } = this.link;
    if (!journal || !shared) return;
    this.settings.use(shared.recipe, "link");
    this.merge({ recipe: shared.recipe, journal, mode: "verify" });
  }

  pause = (): void => this.#handle?.pause();
  resume = (): void => this.#handle?.resume();
  stop = (): void => this.#handle?.stop();

  /** Steps a paused run; with none on stage, starts one that waits. */
  step(by: "phase" | "particle" | "iteration"): void {
    if (!this.busy) this.merge({ paused: true });
    else if (this.own.status === "running") this.#handle?.pause();
    this.#handle?.step(by);
  }

  togglePause(): void {
    if (this.player) {
      if (this.player.playing) this.player.pause();
      else this.player.play();
    } else if (this.own.status === "paused") this.resume();
    else if (this.own.status === "running") this.pause();
  }

  /** Clears the stage; settings and seeds stay. */
  reset(): void {
    if (this.busy) this.#handle?.cancel();
    this.leaveRecording();
    this.#handle = null;
    this.own = new SwarmRun();
    this.shownRecipe = null;
    this.landscape.clear();
    this.problem = null;
    this.#ownPlane = null;
    this.axes = null;
  }

  /** A recording on the stage: played as a story, or shown at once. */
  showRecording(recording: Recording, how: "play" | "whole"): void {
    if (this.busy) return;
    this.leaveRecording();
    this.player = new Player(recording);
    this.shownRecipe = recording.recipe;
    if (how === "whole") this.player.toEnd();
    else this.player.play();
    if (recording.landscape) this.landscape.show(recording.landscape.grid, recording.landscape.box);
  }

  leaveRecording(): void {
    if (!this.player) return;
    this.player.pause();
    this.player = null;
    this.landscape.clear();
  }

  showKept(): void {
    if (!this.kept) return;
    this.settings.use(this.kept.recipe);
    this.showRecording(this.kept, "whole");
  }

  /** The kept rows are told to the search, which goes on after them (or, finished, stands again where it ended). */
  goOn(recording: Recording): void {
    this.settings.use(recording.recipe);
    this.merge({ recipe: recording.recipe, journal: journalOf(recording) });
  }

  forgetKept(): void {
    this.kept = null;
    void this.#lastRun.forget();
  }

  /** A slider moves: drawings are answered anew, nothing is scored yet. */
  formulaMoved(): void {
    if (this.busy) return;
    this.formula.preview(this.lab, this.settings.recipe, () => this.#ready());
    if (this.tryIt.image) this.drawn(this.tryIt.image);
  }

  formulaLetGo(): void {
    if (this.busy) return;
    this.formulaMoved();
    void this.formula.measure(this.lab, this.settings.recipe, () => this.#ready());
  }

  compares(method: string): boolean {
    return this.settings.whole.compare.some((run) => run.id === method.replaceAll("_", "-"));
  }

  /** The formula stands beside the next search's winner, tested on the same unseen samples. */
  compareFormula(): void {
    const { whole, experts } = this.settings;
    const run = { ...this.formula.run(experts), id: this.formula.method.replaceAll("_", "-") };
    try {
      this.settings.whole = parseRecipe({ ...whole, compare: [...whole.compare, run] });
    } catch (problem) {
      this.#fail(problem);
    }
  }

  /** Facts of the models that are set, once for each set of them. */
  async lookBefore(): Promise<void> {
    const recipe = this.settings.recipe;
    if (this.busy || this.#lookedAt === recipe || !this.settings.ready) return;
    this.#lookedAt = recipe;
    this.statistics = null;
    try {
      await this.#ready();
      this.statistics = await this.lab.statistics();
    } catch (problem) {
      this.#lookedAt = null;
      this.#fail(problem);
    }
  }

  drawn(image: Uint8Array | null): void {
    const { tasks } = this.shownRecipe ?? this.settings.recipe;
    if (!tasks.some((task) => task.id === this.tryIt.task)) this.tryIt.task = tasks[0]?.id ?? null;
    this.tryIt.ask(image, this.lab, () => this.#asked());
  }

  async chooseAxes(axes: [string, string] | null): Promise<void> {
    this.landscape.clear();
    this.axes = axes;
    try {
      this.#ownPlane = axes ? await this.lab.plane(axes) : null;
    } catch (problem) {
      this.axes = null;
      return this.#fail(problem);
    }
    if (this.canTake) void this.#survey();
  }

  #loaded(recipe: Recipe, columns: readonly string[], device: DeviceInfo): void {
    this.columns = columns;
    this.device = device;
    this.#preparedFor = recipe;
  }

  /** Base, experts, average and the best there is, as the engine knows them. */
  async #asked(): Promise<readonly Asked[]> {
    const byHand = this.view === "formula";
    const recipe = byHand ? this.settings.recipe : (this.shownRecipe ?? this.settings.recipe);
    await this.#ready(recipe);
    const experts = (this.#preparedFor ?? recipe).experts.map((e) => e.id);
    // What people look at first is asked first.
    const asked: Asked[] = [];
    if (byHand && this.formula.check(recipe) === null) asked.push({ id: "formula", which: { candidate: this.formula.candidate(experts) } });
    const best = this.run.best;
    if (this.canTake && this.exportId) asked.push({ id: "merge", which: { id: this.exportId } });
    else if (best && rowOf(best.candidate)?.length === this.columns.length) asked.push({ id: "merge", which: { candidate: best.candidate } });
    asked.push({ id: "average", which: { candidate: { kind: "coefficients", values: averageRow(this.columns, experts) } } });
    for (const id of ["base", ...experts]) asked.push({ id, which: { id } });
    return asked;
  }

  /** The models of a recipe are there; says which columns coefficients are over. */
  async #ready(recipe: Recipe = this.settings.recipe): Promise<readonly string[]> {
    if (this.#preparedFor === null || (!this.busy && this.#preparedFor !== recipe)) {
      const prepared = await this.lab.prepare(recipe);
      if (this.#preparedFor !== recipe) this.formula.forget();
      this.#loaded(recipe, prepared.columns, prepared.device);
    }
    return this.columns;
  }

  async #survey(): Promise<void> {
    const { plane, own } = this;
    if (!plane || own.columns.length === 0) return;
    const { box } = swarmMap(plane, own.columns, own.experts, own.rows, 1000);
    await this.landscape.fill(this.lab, plane, box, PROBE_SAMPLES);
    if (own === this.own && !this.axes && this.landscape.grid) this.#recorder?.landscape(this.landscape.grid, box);
  }

  #fail(problem: unknown): void {
    if (isLabError(problem, "cancelled")) return;
    const tip = isLabError(problem) ? (s.error.tips[problem.code] ?? null) : null;
    this.problem = { message: problem instanceof Error ? problem.message : String(problem), tip };
  }
}
