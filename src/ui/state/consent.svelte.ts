/**
 * Nothing of the Hub is downloaded before somebody saw what it is and said yes: once for each set of references. What lies in
 * the cache already is not asked about.
 */
import type { Lab, Preflight, Recipe } from "../../index.ts";
import { parseReference, referenceProblem } from "../../lib/reference.ts";

export interface Question {
  readonly recipe: Recipe;
  readonly models: readonly string[];
  readonly datasets: readonly string[];
  /** null while headers are read. */
  readonly look: Preflight | null;
  readonly problem: string | null;
}

export class Consent {
  question = $state.raw<Question | null>(null);
  readonly #given = new Set<string>();
  #answer: ((yes: boolean) => void) | null = null;

  needed(recipe: Recipe): boolean {
    const { models, datasets } = remoteOf(recipe);
    return [...models, ...datasets].some((one) => !this.#given.has(one));
  }

  give(recipe: Recipe): void {
    const { models, datasets } = remoteOf(recipe);
    for (const one of [...models, ...datasets]) this.#given.add(one);
  }

  /** Another Hub has other files under the same names. */
  forget(): void {
    this.#given.clear();
  }

  async ask(lab: Pick<Lab, "preflight">, recipe: Recipe): Promise<boolean> {
    if (!this.needed(recipe)) return true;
    this.answer(false);
    const answered = new Promise<boolean>((resolve) => (this.#answer = resolve));
    await this.#look(lab, recipe);
    return answered;
  }

  /** With another Hub or a token. */
  async again(lab: Pick<Lab, "preflight">): Promise<void> {
    if (this.question) await this.#look(lab, this.question.recipe);
  }

  async #look(lab: Pick<Lab, "preflight">, recipe: Recipe): Promise<void> {
    const { models, datasets } = remoteOf(recipe);
    const question: Question = { recipe, models, datasets, look: null, problem: null };
    this.question = question;
    try {
      const look = await lab.preflight({ base: recipe.base.model, experts: recipe.experts.map((expert) => expert.model) });
      if (this.question !== question) return;
      // All of it is here, or the network is not: then the cache has it, or loading says what is missing.
      if (nothingNew(look) && datasets.length === 0) this.answer(true);
      else this.question = { ...question, look };
    } catch (problem) {
      if (this.question === question) this.question = { ...question, problem: problem instanceof Error ? problem.message : String(problem) };
    }
  }

  answer(yes: boolean): void {
    if (yes && this.question) this.give(this.question.recipe);
    this.question = null;
    const answer = this.#answer;
    this.#answer = null;
    answer?.(yes);
  }
}

const nothingNew = ({ downloadBytes, fits, models }: Preflight): boolean =>
  models.some(({ error }) => error?.code === "offline") ? models.every(({ error }) => error === null || error.code === "offline") : downloadBytes === 0 && fits !== false;

/** What of a recipe lies on the Hub. */
export function remoteOf(recipe: Recipe): { models: string[]; datasets: string[] } {
  const models = [...new Set([recipe.base.model, ...recipe.experts.map((expert) => expert.model)])].filter(onHub);
  const datasets = [...new Set(recipe.tasks.flatMap(({ source }) => (typeof source === "string" ? (onHub(source) ? [source] : []) : [source.dataset])))];
  return { models, datasets };
}

function onHub(text: string): boolean {
  if (referenceProblem(text) !== null) return false;
  const { kind, adapter } = parseReference(text);
  return kind === "hub" || adapter?.kind === "hub";
}

export const needsToken = (look: Preflight | null): boolean => look?.models.some(({ error }) => error?.code === "gated") ?? false;
