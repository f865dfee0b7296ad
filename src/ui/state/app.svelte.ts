/** The page's whole state: which run is shown, what may be pressed, and what went wrong. Weights are never here. */
import { isLabError, LabError, parseRecipe, type DeviceInfo, type Journal, type Lab, type LabEvent, type Plane, type Recipe, type RunHandle, type Statistics, type ZooFamily } from "../../index.ts";
import { cardsOf, familyOf } from "../cards.ts";
import { swarmMap } from "../plots/swarmMap.ts";
import { Consent } from "./consent.svelte.ts";
import { Folders } from "./folders.svelte.ts";
import { Formula } from "./formula.svelte.ts";
import { Held } from "./held.svelte.ts";
import { HubDoor } from "./hubDoor.svelte.ts";
import { Landscape, PROBE_SAMPLES } from "./landscape.svelte.ts";
import { Player } from "./player.svelte.ts";
import { problemOf, type Problem } from "./problem.ts";
import { OwnModels } from "./ownModels.svelte.ts";
import { journalOf, LastRun, readRecording, Recorder, type Recording } from "./recording.ts";
import { recipeOf, Settings, type Preset } from "./settings.svelte.ts";
import { SharedLink } from "./sharedLink.svelte.ts";
import { SwarmRun } from "./swarmRun.svelte.ts";
import { Theme } from "./theme.svelte.ts";
import { everyone, TryIt, type Asked, type Question } from "./tryIt.svelte.ts";

interface Options {
  /** Prefix of what the page keeps. */
  readonly storage?: string;
  readonly presets?: readonly Preset[];
  /** Addresses of recorded runs, by family. */
  readonly recordings?: Readonly<Record<string, string>>;
}

interface MergeOptions {
  readonly paused?: boolean;
  readonly journal?: Journal;
  readonly mode?: "run" | "verify";
  readonly recipe?: Recipe;
}

export class App {
  readonly settings = new Settings();
  readonly landscape = new Landscape();
  readonly tryIt = new TryIt();
  readonly theme = new Theme();
  readonly link = new SharedLink();
  readonly formula = new Formula();
  readonly folders = new Folders();
  readonly held = new Held();
  readonly consent = new Consent();
  readonly own = new OwnModels();
  readonly door: HubDoor;

  /** What the middle of the page shows. */
  view = $state<"swarm" | "formula" | "before">("swarm");
  statistics = $state.raw<Statistics | null>(null);

  families = $state.raw<readonly ZooFamily[]>([]);
  device = $state.raw<DeviceInfo | null>(null);
  current = $state.raw(new SwarmRun());
  player = $state.raw<Player | null>(null);
  kept = $state.raw<Recording | null>(null);
  problem = $state.raw<Problem | null>(null);
  /** Of somebody's own models, while a family stands in their place. */
  ownRecipe = $state.raw<Recipe | null>(null);
  /** The recipe of the run that is shown, which the settings may have left behind since. */
  shownRecipe = $state.raw<Recipe | null>(null);
  axes = $state.raw<[string, string] | null>(null);
  #ownPlane = $state.raw<Plane | null>(null);
  #lookedAt: Recipe | null = null;
  #handle: RunHandle | null = null;
  #recorder: Recorder | null = null;
  #lastRun: LastRun;

  run = $derived(this.player ? this.player.run : this.current);
  recorded = $derived(this.player !== null);
  busy = $derived(this.current.live);
  plane = $derived(this.#ownPlane ?? this.run.plane);
  /** Whose models are set; null: somebody's own. */
  family = $derived(this.families.find((one) => one.family === familyOf(this.settings.whole)) ?? null);
  /** Recipes of that family. */
  presets = $derived(this.settings.presets.filter(({ recipe }) => familyOf(recipe) === this.family?.family));
  cards = $derived(cardsOf(this.settings.whole, { family: this.family, loaded: this.run.models, looked: this.own.look?.models ?? [] }));
  /** Ids in the family's order: a colour each. */
  palette = $derived([...new Set([...(this.family?.experts ?? []), ...this.settings.whole.experts].map(({ id }) => id))]);
  exportId = $derived(this.shownRecipe?.export ?? this.run.shown);
  /** True when the engine still holds the models of the run that is shown. */
  canTake = $derived(!this.recorded && this.current.status === "done" && this.current.report !== null);

  constructor(readonly lab: Lab, readonly options: Options = {}) {
    this.#lastRun = new LastRun(options.storage ?? "murmuration");
    this.door = new HubDoor(options.storage ?? "murmuration");
    this.settings.presets = options.presets ?? [];
  }

  async open(): Promise<void> {
    try {
      await this.door.restore(this.lab);
      this.families = await this.lab.families();
    } catch (problem) {
      this.tell(problem);
    }
    if (this.families[0]) this.#use(this.families[0]);
    this.kept = await this.#lastRun.read();
  }

  /** Another family on the stage: its recipe, and the run that was recorded of it. */
  chooseFamily(id: string): void {
    const family = this.families.find((one) => one.family === id);
    if (!family || this.busy) return;
    this.reset();
    this.link.dismiss();
    this.#use(family);
    void this.tellStory(id);
  }

  /** A recorded run, told while nothing else is on the stage. */
  async tellStory(family: string | undefined = this.family?.family): Promise<void> {
    const address = family === undefined ? undefined : this.options.recordings?.[family];
    const story = address === undefined ? null : await readRecording(address);
    if (!story || this.current.status !== "idle" || this.family?.family !== family || this.player || this.link.recipe) return;
    this.showRecording(story, globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ? "whole" : "play");
  }

  #use(family: ZooFamily): void {
    const first = this.settings.presets.find(({ recipe }) => familyOf(recipe) === family.family);
    if (first) this.settings.use(first.recipe, first.id);
    else this.settings.use(recipeOf(family));
    this.tryIt.forget(this.settings.recipe.tasks[0]?.id ?? null);
  }

  /** Somebody's own models, agreed to: they are loaded, then stand where a family stood. */
  async useOwn(recipe: Recipe): Promise<void> {
    this.reset();
    this.link.dismiss();
    this.settings.use(recipe, "own");
    this.ownRecipe = recipe;
    this.tryIt.forget(recipe.tasks[0]?.id ?? null);
    this.consent.give(recipe);
    await this.held.load(this.lab, this.settings.recipe);
  }

  /** What was seen of another Hub, or without a token, says nothing any more. */
  async useHub(address: string, viewer: string): Promise<boolean> {
    const done = await this.door.setAddress(this.lab, address, viewer);
    if (done) this.#elsewhere();
    return done;
  }

  async useToken(token: string | null): Promise<void> {
    if (await this.door.setToken(this.lab, token)) this.#elsewhere();
  }

  #elsewhere(): void {
    this.own.forgetLook();
    this.consent.forget();
    const asked = this.consent.question;
    if (asked) void this.consent.again(this.lab);
  }

  /** Says what runs where, before anything is loaded. */
  async warmUp(): Promise<void> {
    await this.lab.open().then((device) => (this.device = device), (problem: unknown) => this.tell(problem));
  }

  /** A link changes what is set, nothing else: nothing starts and nothing is loaded. */
  follow(hash: string): void {
    this.link.read(hash);
    if (this.link.recipe && !this.busy) this.settings.use(this.link.recipe, "link");
  }

  merge(options: MergeOptions = {}): void {
    if (this.busy || !(options.recipe ?? this.settings.ready)) return;
    const recipe = options.recipe ?? this.settings.recipe;
    if (this.consent.needed(recipe)) {
      void this.consent.ask(this.lab, recipe).then((yes) => yes && this.#start(recipe, options));
    } else this.#start(recipe, options);
  }

  #start(recipe: Recipe, options: MergeOptions): void {
    if (this.busy) return;
    this.leaveRecording();
    this.landscape.clear();
    this.link.dismiss();
    this.problem = null;
    this.kept = null;
    this.axes = null;
    this.#ownPlane = null;
    const run = new SwarmRun();
    run.status = "loading";
    this.current = run;
    this.shownRecipe = recipe;
    const recorder = new Recorder(recipe, (recording) => void this.#lastRun.write(recording));
    this.#recorder = recorder;
    const onEvent = (event: LabEvent) => {
      if (event.type === "loaded") this.held.took(recipe, event.columns, event.device);
      run.apply(event);
      recorder.add(event);
    };
    const { paused, journal, mode } = options;
    try {
      this.#handle = this.lab.start(recipe, { onEvent, ...(paused ? { paused } : {}), ...(journal ? { journal } : {}), ...(mode ? { mode } : {}) });
    } catch (problem) {
      run.fail();
      return this.tell(problem);
    }
    // The same run again, with what was scored of it.
    const again = () => this.#start(recipe, { ...options, journal: journalOf(recorder.told()) });
    this.#handle.done.then(
      (report) => {
        run.finish(report);
        recorder.finish(report);
        this.link.compare(report);
        void this.#survey();
      },
      (problem: unknown) => {
        recorder.flush();
        if (run === this.current) run.fail();
        this.tell(problem, again);
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
    else if (this.current.status === "running") this.#handle?.pause();
    this.#handle?.step(by);
  }

  togglePause(): void {
    if (this.player) {
      if (this.player.playing) this.player.pause();
      else this.player.play();
    } else if (this.current.status === "paused") this.resume();
    else if (this.current.status === "running") this.pause();
  }

  /** Clears the stage; settings and seeds stay. */
  reset(): void {
    if (this.busy) this.#handle?.cancel();
    this.leaveRecording();
    this.#handle = null;
    this.current = new SwarmRun();
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
    this.tryIt.again(this.lab, () => this.#asked());
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
      this.tell(problem);
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
      this.tell(problem, () => void this.lookBefore());
    }
  }

  /** A drawing or a text is put to every model. */
  tried(question: Question | null): void {
    const { tasks } = this.shownRecipe ?? this.settings.recipe;
    if (this.tryIt.task !== null && !tasks.some((task) => task.id === this.tryIt.task)) this.tryIt.task = tasks[0]?.id ?? null;
    this.tryIt.ask(question, this.lab, () => this.#asked());
  }

  async chooseAxes(axes: [string, string] | null): Promise<void> {
    this.landscape.clear();
    this.axes = axes;
    try {
      this.#ownPlane = axes ? await this.lab.plane(axes) : null;
    } catch (problem) {
      this.axes = null;
      return this.tell(problem);
    }
    if (this.canTake) void this.#survey();
  }

  async #asked(): Promise<readonly Asked[]> {
    const byHand = this.view === "formula";
    const recipe = byHand ? this.settings.recipe : (this.shownRecipe ?? this.settings.recipe);
    const columns = await this.#ready(recipe);
    const experts = (this.held.recipe ?? recipe).experts.map(({ id }) => id);
    return everyone({
      experts, columns, best: this.run.best?.candidate ?? null, exported: this.canTake ? this.exportId : null,
      formula: byHand && this.formula.check(recipe) === null ? this.formula.candidate(experts) : null,
    });
  }

  /** The models of a recipe are there; says which columns coefficients are over. */
  async #ready(recipe: Recipe = this.settings.recipe): Promise<readonly string[]> {
    const { held } = this;
    if (held.recipe === null || (!this.busy && held.recipe !== recipe)) {
      if (!(await this.consent.ask(this.lab, recipe))) throw new LabError("cancelled", "Nothing was loaded.");
      const before = held.recipe;
      await held.load(this.lab, recipe);
      if (before !== recipe) this.formula.forget();
    }
    return held.columns;
  }

  async #survey(): Promise<void> {
    const { plane, current } = this;
    if (!plane || current.columns.length === 0) return;
    const { box } = swarmMap(plane, current.columns, current.experts, current.rows, 1000);
    await this.landscape.fill(this.lab, plane, box, PROBE_SAMPLES);
    if (current === this.current && !this.axes && this.landscape.grid) this.#recorder?.landscape(this.landscape.grid, box);
  }

  /** What went wrong, above the page; `again`: another try of it. */
  tell(problem: unknown, again: (() => void) | null = null): void {
    if (!isLabError(problem, "cancelled")) this.problem = problemOf(problem, again);
  }
}
