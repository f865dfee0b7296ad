/** A search whose next candidate depends only on what was told before: random draws, sweeps and single merges are such lists. */
import { LabError } from "../lib/error.ts";
import { Scoreboard } from "./ranking.ts";
import type { Candidate, Found, Outcome, Plan, Proposal, Search, Told } from "./types.ts";

export interface Entry {
  readonly origin: string;
  readonly candidate: Candidate;
}

/** A row over the basis as a candidate. */
export function coefficients(row: Float64Array): Candidate {
  return { kind: "coefficients", values: Array.from(row) };
}

/** Gives entry number `evaluation`, told all scores so far; null ends the search. */
export type Next = (evaluation: number, told: readonly Told[]) => Entry | null;

export class ListedSearch implements Search {
  readonly plan: Plan;
  readonly #next: Next;
  readonly #settled: number;
  readonly #told: Told[] = [];
  readonly #board = new Scoreboard();
  #asked: Proposal | null = null;

  /** `settled`: how many entries, from the first, depend on no score. */
  constructor(evaluations: number, settled: number, next: Next) {
    this.plan = { evaluations, particles: 1, steps: evaluations - 1 };
    this.#settled = settled;
    this.#next = next;
  }

  async ask(): Promise<Proposal | null> {
    const evaluation = this.#told.length;
    if (this.#asked !== null) return this.#asked;
    const entry = evaluation < this.plan.evaluations ? this.#next(evaluation, this.#told) : null;
    if (entry === null) return null;
    this.#asked = { evaluation, step: evaluation, particle: 0, origin: entry.origin, candidate: entry.candidate };
    return this.#asked;
  }

  async tell(fitness: Told): Promise<Outcome> {
    if (this.#asked === null) throw new LabError("internal", "A search was told a score it had not asked for.");
    const outcome = this.#board.tell(this.#asked, fitness);
    this.#told.push(fitness);
    this.#asked = null;
    return outcome;
  }

  peek(): Candidate | null {
    const next = this.#told.length + 1;
    if (this.#asked === null || next >= Math.min(this.#settled, this.plan.evaluations)) return null;
    const entry = this.#next(next, this.#told);
    return entry && entry.candidate;
  }

  best(): Found | null {
    return this.#board.best();
  }

  finalists(most: number): Found[] {
    return this.#board.finalists(most);
  }
}
