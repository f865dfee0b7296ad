/**
 * One merge by a formula: its parameters under sliders. While a slider moves only the newest values are asked for
 * (`preview`); once it is let go the merge is scored beside the plain average and each task's own expert.
 */
import { methodSpec, parseRecipe, type Candidate, type Lab, type MergeInput, type MethodName, type ParameterSpec, type Recipe } from "../../index.ts";
import { averageRow, modelRow } from "../plots/plane.ts";

export type Value = number | boolean | string;

/** Samples a task that a score stands on: those the search would see. */
export const FORMULA_SAMPLES = 50;

export interface Scored {
  readonly fitness: number | null;
  readonly tasks: Readonly<Record<string, number>>;
}

export class Formula {
  method = $state<MethodName>("ties");
  /** What was moved, by parameter; the rest is the method's default. */
  values = $state.raw<Readonly<Record<string, Value>>>({});
  /** Models it merges, in order, where a method takes one or two. */
  chosen = $state.raw<readonly string[]>([]);
  score = $state.raw<Scored | null>(null);
  /** By model: "average" and experts, on the same samples. */
  references = $state.raw<Readonly<Record<string, Scored>>>({});
  text = $state("");
  /** Remarks on what came out, such as a line where an arc was asked for. */
  remarks = $state.raw<readonly string[]>([]);
  busy = $state(false);
  problem = $state<string | null>(null);
  #turn = 0;
  #working = false;
  #previewing: (() => Promise<void>) | "free" | "busy" = "free";

  readonly spec = $derived(methodSpec(this.method));

  choose(method: MethodName): void {
    this.method = method;
    this.values = {};
    this.score = null;
    this.problem = null;
  }

  value(name: string, parameter: ParameterSpec): Value {
    return this.values[name] ?? parameter.default ?? (START[name] ?? 1);
  }

  set(name: string, value: Value): void {
    this.values = { ...this.values, [name]: value };
  }

  /** As a recipe's `compare` would say it. */
  run(experts: readonly string[]): MergeInput {
    const spec = this.spec;
    const given: Record<string, Value> = {};
    for (const [name, parameter] of Object.entries({ ...spec.whole, ...spec.perModel })) {
      if (name === "int8_mask" || name === "weight") continue;
      const value = this.values[name] ?? (parameter.required ? this.value(name, parameter) : undefined);
      if (value !== undefined) given[name] = value;
    }
    const weights: Record<string, number> = {};
    if ("weight" in spec.perModel) for (const id of this.models(experts)) weights[id] = Number(this.values[`weight:${id}`] ?? START["weight"]);
    const models = spec.models.max === null ? {} : { models: this.models(experts) };
    return { id: "formula", method: this.method, ...models, ...(Object.keys(weights).length > 0 ? { weights } : {}), ...given };
  }

  models(experts: readonly string[]): readonly string[] {
    const { max } = this.spec.models;
    if (max === null) return experts;
    const wanted = this.chosen.filter((id) => experts.includes(id));
    return [...wanted, ...experts.filter((id) => !wanted.includes(id))].slice(0, max);
  }

  /** Sets which expert is the `place`-th model of a method that takes one or two. */
  pick(place: number, id: string, experts: readonly string[]): void {
    const next = [...this.models(experts)];
    const other = next.indexOf(id);
    if (other >= 0) next[other] = next[place] as string;
    next[place] = id;
    this.chosen = next;
  }

  /** What keeps these values from being a merge, or null. */
  check(recipe: Recipe): string | null {
    try {
      parseRecipe({ ...recipe, runs: [], compare: [this.run(recipe.experts.map(({ id }) => id))], export: null } as unknown);
      return null;
    } catch (problem) {
      return problem instanceof Error ? problem.message.replace(/^compare\[0\]\.?/, "") : String(problem);
    }
  }

  order(experts: readonly string[]): { method: MethodName; parameters: Record<string, unknown> } {
    const { id: _, method, ...parameters } = this.run(experts);
    return { method, parameters };
  }

  candidate(experts: readonly string[]): Candidate {
    return { kind: "method", ...this.order(experts) };
  }

  /** Merges the newest values and scores nothing; while one merge is made only the newest wait. */
  preview(lab: Pick<Lab, "remerge">, recipe: Recipe, ready: () => Promise<unknown>): void {
    this.problem = this.check(recipe);
    if (this.problem !== null) return;
    const order = this.order(recipe.experts.map(({ id }) => id));
    const work = async () => {
      await ready();
      const { formula, warnings } = await lab.remerge(order);
      this.text = formula;
      this.remarks = warnings.map(({ message }) => message);
    };
    if (this.#previewing !== "free") this.#previewing = work;
    else void this.#drain(work);
  }

  async #drain(work: () => Promise<void>): Promise<void> {
    for (let next: (() => Promise<void>) | null = work; next; ) {
      this.#previewing = "busy";
      try {
        await next();
      } catch (problem) {
        this.problem = problem instanceof Error ? problem.message : String(problem);
      }
      const waiting = this.#previewing as (() => Promise<void>) | "busy"; // set while awaiting
      next = waiting === "busy" ? null : waiting;
    }
    this.#previewing = "free";
  }

  /** Scores the newest values; what was asked before and is not done yet is not begun. */
  async measure(lab: Pick<Lab, "probe">, recipe: Recipe, ready: () => Promise<readonly string[]>): Promise<void> {
    const turn = ++this.#turn;
    this.problem = this.check(recipe);
    if (this.problem !== null || this.#working) return;
    this.#working = true;
    this.busy = true;
    try {
      const columns = await ready();
      const experts = recipe.experts.map(({ id }) => id);
      const candidate = this.candidate(experts);
      this.score = await lab.probe(candidate, FORMULA_SAMPLES);
      for (const id of ["average", ...experts]) {
        if (turn !== this.#turn || this.references[id]) continue;
        const values = id === "average" ? averageRow(columns, experts) : modelRow(columns, id);
        if (values) this.references = { ...this.references, [id]: await lab.probe({ kind: "coefficients", values }, FORMULA_SAMPLES) };
      }
    } catch (problem) {
      this.problem = problem instanceof Error ? problem.message : String(problem);
    } finally {
      this.#working = false;
      this.busy = false;
    }
    if (turn !== this.#turn) await this.measure(lab, recipe, ready);
  }

  /** Other models or samples: what was measured no longer stands. */
  forget(): void {
    this.#turn++;
    this.score = null;
    this.references = {};
  }
}

/** Where a slider stands whose parameter has no default. */
const START: Readonly<Record<string, number>> = { weight: 1, t: 0.5, lambda: 1, scale: 1 };

/** How far sliders go; beyond that a number can be typed into the recipe. */
export const REACH: Readonly<Record<string, readonly [low: number, high: number, step: number]>> = {
  density: [0, 1, 0.01], weight: [-0.5, 2, 0.05], lambda: [0, 2.5, 0.05], t: [0, 1, 0.01], gamma: [0, 0.2, 0.005], epsilon: [0, 0.5, 0.01],
  select_topk: [0, 1, 0.01], scale: [0, 2, 0.05], r: [0, 1, 0.01], alpha: [0, 1, 0.01], max_iter: [1, 50, 1],
};
