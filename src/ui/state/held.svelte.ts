/** What the engine holds now: the models of one recipe, loaded by a run or because somebody asked something of them before one. */
import type { DeviceInfo, Lab, Recipe } from "../../index.ts";
import { Arrivals } from "./arrivals.svelte.ts";

type Preparing = Pick<Lab, "prepare">;

export class Held {
  readonly arrivals = new Arrivals();
  /** Loading outside of a run. */
  busy = $state(false);
  device = $state.raw<DeviceInfo | null>(null);
  /** Columns that coefficients are over. */
  columns = $state.raw<readonly string[]>([]);
  recipe = $state.raw<Recipe | null>(null);
  #loading: { readonly recipe: Recipe; readonly done: Promise<void>; readonly stop: AbortController } | null = null;

  /** A run loaded them. */
  took(recipe: Recipe, columns: readonly string[], device: DeviceInfo): void {
    this.recipe = recipe;
    this.columns = columns;
    this.device = device;
  }

  /** Asked for twice, loaded once. */
  load(lab: Preparing, recipe: Recipe): Promise<void> {
    if (this.recipe === recipe) return Promise.resolve();
    if (this.#loading?.recipe === recipe) return this.#loading.done;
    const stop = new AbortController();
    const done = this.#load(lab, recipe, stop.signal);
    this.#loading = { recipe, done, stop };
    return done;
  }

  cancel(): void {
    this.#loading?.stop.abort();
  }

  async #load(lab: Preparing, recipe: Recipe, signal: AbortSignal): Promise<void> {
    this.busy = true;
    this.arrivals.clear();
    try {
      const { columns, device } = await lab.prepare(recipe, { onEvent: this.arrivals.apply, signal });
      this.took(recipe, columns, device);
    } finally {
      this.busy = false;
      this.#loading = null;
    }
  }
}
