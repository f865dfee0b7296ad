/**
 * What the next run will be: one parsed recipe, edited in place. Leaving an expert out takes its task along,
 * and nothing else moves: ids, samples and seeds stay as they were.
 */
import { parseRecipe, type Recipe, type RecipeInput, type ZooFamily } from "../../index.ts";

export type Run = Recipe["runs"][number];
type Metric = NonNullable<NonNullable<RecipeInput["tasks"]>[number]["metric"]>;
export type Swarm = Extract<Run, { method: "pso_merging" }>;
type Start = Swarm["start"][number];
export type Sparsified = Extract<Start, { sparsified_experts: unknown }>["sparsified_experts"];

/** The paper's numbers (arXiv 2508.19839): shown beside a value that differs. */
export const PAPER = { steps: 5, inertia: 0.2, cognitive: 2, social: 2, density: 0.2, optimise: 50 } as const;

export interface Preset {
  readonly id: string;
  readonly recipe: RecipeInput;
}

export class Settings {
  /** With every expert in it. */
  whole = $state.raw<Recipe>(nothingYet());
  leftOut = $state.raw<readonly string[]>([]);
  preset = $state<string | null>(null);
  presets = $state.raw<readonly Preset[]>([]);
  #original = $state.raw<Recipe | null>(null);

  recipe = $derived(this.leftOut.length === 0 ? this.whole : without(this.whole, this.leftOut));
  swarm = $derived(this.whole.runs.find((run): run is Swarm => run.method === "pso_merging") ?? null);
  experts = $derived(this.recipe.experts.map((expert) => expert.id));
  ready = $derived(this.whole.experts.length > 0);
  changed = $derived(this.leftOut.length > 0 || JSON.stringify(this.whole) !== JSON.stringify(this.#original));
  /** Samples a task that the search sees; null where tasks differ or list ids. */
  optimise = $derived(common(this.whole.tasks.map((task) => task.optimise)));
  sparsified = $derived(this.swarm?.start.map(sparsifiedOf).find((s) => s !== null) ?? null);
  particles = $derived(this.swarm ? particlesOf(this.swarm, this.experts.length) : 0);
  evaluations = $derived(this.swarm ? this.particles * (this.swarm.steps + 1) : 0);

  use(recipe: RecipeInput | Recipe, preset: string | null = null): void {
    this.whole = parseRecipe(recipe);
    this.#original = this.whole;
    this.leftOut = [];
    this.preset = preset;
  }

  restore(): void {
    if (this.#original) this.whole = this.#original;
    this.leftOut = [];
  }

  /** Takes a change only when the recipe that comes of it is sound; else says why not. */
  #change(next: Recipe): string | null {
    try {
      this.whole = parseRecipe(next);
      return null;
    } catch (problem) {
      return problem instanceof Error ? problem.message : String(problem);
    }
  }

  setSwarm(change: Partial<Pick<Swarm, "steps" | "inertia" | "cognitive" | "social" | "random" | "swarm">>): string | null {
    return this.#change({ ...this.whole, runs: this.whole.runs.map((run) => (run.method === "pso_merging" ? { ...run, ...change } : run)) });
  }

  setDensity(density: number): string | null {
    const start = (s: Start): Start => {
      const sparsified = sparsifiedOf(s);
      return sparsified ? { sparsified_experts: { ...sparsified, density } } : s;
    };
    return this.#change({ ...this.whole, runs: this.whole.runs.map((run) => (run.method === "pso_merging" ? { ...run, start: run.start.map(start) } : run)) });
  }

  setOptimise(optimise: number): string | null {
    return this.#change({ ...this.whole, tasks: this.whole.tasks.map((task) => ({ ...task, optimise })) });
  }

  setMeasure(measure: Recipe["fitness"]["measure"]): string | null {
    return this.#change({ ...this.whole, fitness: { ...this.whole.fitness, measure } });
  }

  setAggregate(aggregate: Recipe["fitness"]["aggregate"]): string | null {
    return this.#change({ ...this.whole, fitness: { ...this.whole.fitness, aggregate } });
  }

  setDtype(out_dtype: "float32" | "float16" | "bfloat16"): string | null {
    return this.#change({ ...this.whole, out_dtype });
  }

  setSeed(which: "samples" | "search", seed: number): string | null {
    return this.#change({ ...this.whole, seeds: { ...this.whole.seeds, [which]: seed } });
  }

  /** Small enough to read aloud and copy by hand. */
  newSeed(): void {
    this.setSeed("search", (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % 1_000_000);
  }

  toggle(expert: string): void {
    if (this.leftOut.includes(expert)) this.leftOut = this.leftOut.filter((id) => id !== expert);
    else if (this.experts.length > 2) this.leftOut = [...this.leftOut, expert];
  }
}

export function sparsifiedOf(start: Start): Sparsified | null {
  return typeof start === "object" && "sparsified_experts" in start ? start.sparsified_experts : null;
}

function particlesOf(swarm: Swarm, experts: number): number {
  return swarm.start.reduce((sum, start) => sum + (start === "experts" || sparsifiedOf(start) ? experts : 1), 0);
}

function without(recipe: Recipe, left: readonly string[]): Recipe {
  const experts = recipe.experts.filter((expert) => !left.includes(expert.id));
  const reach = 2 / recipe.experts.length;
  return {
    ...recipe,
    experts,
    tasks: recipe.tasks.filter((task) => !left.includes(task.head ?? task.id)),
    // Random search's own default reach depends on how many experts there are.
    runs: recipe.runs.map((run) => (run.method === "random" && run.high === reach ? { ...run, high: 2 / experts.length } : run)),
  };
}

function common(values: readonly (number | readonly string[])[]): number | null {
  const first = values[0];
  return typeof first === "number" && values.every((value) => value === first) ? first : null;
}

function nothingYet(): Recipe {
  return {
    murmuration: 1, title: "", base: { model: "" }, experts: [], tasks: [], fitness: { measure: "metric", aggregate: "mean" },
    runs: [], compare: [], export: null, out_dtype: "float32", seeds: { samples: 1, search: 7 },
  };
}

/** What runs when a family comes without a recipe of its own. */
export function recipeOf(family: ZooFamily): RecipeInput {
  return {
    murmuration: 1,
    title: family.title,
    base: { model: family.base.model },
    experts: family.experts.map(({ id, model }) => ({ id, model })),
    tasks: family.tasks.map(({ id, head, source, metric }) => ({ id, ...(head === undefined ? {} : { head }), source, ...(metric === undefined ? {} : { metric: metric as Metric }), optimise: 50, test: 500 })),
    // Classes have a log-likelihood each; what is generated is right or not.
    fitness: { measure: family.tasks.every(({ head }) => head !== undefined) ? "log_likelihood" : "metric" },
    runs: [{ id: "pso", method: "pso_merging" }],
    compare: [
      { id: "average", method: "linear" },
      { id: "ta", method: "task_arithmetic", lambda: 0.3 },
    ],
    export: "pso",
  };
}
