/**
 * PSO-Merging (arXiv 2508.19839), synchronous: starting points are scored first (step 0), then in each step all
 * particles move on the bests as they stood and are scored in particle order. Where they live is the store's business.
 */
import { LabError } from "../../lib/error.ts";
import { beats, ranked } from "../ranking.ts";
import type { Candidate, Found, Outcome, Plan, Proposal, Search, StartingPoint, SwarmStore, Told } from "../types.ts";

interface PersonalBest {
  readonly proposal: Proposal;
  readonly fitness: number;
}

export class PsoMerging implements Search {
  readonly plan: Plan;
  readonly #starts: readonly StartingPoint[];
  readonly #store: SwarmStore;
  readonly #personal: (PersonalBest | null)[];
  /** Particle whose personal best leads the swarm; -1 before the first finite score. */
  #leader = -1;
  #evaluation = 0;
  #asked: Proposal | null = null;

  constructor(steps: number, starts: readonly StartingPoint[], store: SwarmStore) {
    this.#starts = starts;
    this.#store = store;
    this.#personal = starts.map(() => null);
    this.plan = { evaluations: starts.length * (steps + 1), particles: starts.length, steps };
  }

  async ask(): Promise<Proposal | null> {
    if (this.#asked !== null) return this.#asked;
    if (this.#evaluation >= this.plan.evaluations) return null;
    const step = Math.floor(this.#evaluation / this.plan.particles);
    const particle = this.#evaluation % this.plan.particles;
    if (particle === 0) {
      if (step === 0) await this.#store.start(this.#starts.map(({ row }) => row));
      else if (this.#leader < 0) return null; // with no best and no velocity nobody would ever move
      else await this.#move(step);
    }
    this.#asked = {
      evaluation: this.#evaluation,
      step,
      particle,
      origin: this.#starts[particle]?.origin ?? "",
      candidate: this.#store.candidate(particle, step),
    };
    return this.#asked;
  }

  /** Within a step all particles have moved already. */
  peek(): Candidate | null {
    if (this.#asked === null) return null;
    const { particle, step } = this.#asked;
    return particle + 1 < this.plan.particles ? this.#store.candidate(particle + 1, step) : null;
  }

  async tell(fitness: Told): Promise<Outcome> {
    const proposal = this.#asked;
    if (proposal === null) throw new LabError("internal", "A search was told a score it had not asked for.");
    this.#asked = null;
    this.#evaluation++;
    const { particle } = proposal;
    if (!beats(fitness, this.#personal[particle] ?? null)) return { personalBest: false, globalBest: false };
    const globalBest = beats(fitness, this.#personal[this.#leader] ?? null);
    this.#personal[particle] = { proposal, fitness };
    this.#store.keep(particle);
    if (globalBest) this.#leader = particle;
    return { personalBest: true, globalBest };
  }

  best(): Found | null {
    return this.#found(this.#leader);
  }

  /** Personal bests: what both stores still hold. */
  finalists(most: number): Found[] {
    return ranked(this.#personal.map((_, particle) => this.#found(particle)).filter((found) => found !== null), most);
  }

  async #move(step: number): Promise<void> {
    this.#personal.forEach((best, particle) => {
      // A particle that has only diverged has no best to be pulled to: where it stands serves as one, so that pull is 0.
      if (best === null) this.#store.keep(particle);
    });
    await this.#store.move(step, this.#leader);
  }

  #found(particle: number): Found | null {
    const best = this.#personal[particle] ?? null;
    return best && { ...best, candidate: this.#store.best(particle, best.proposal.step) };
  }
}
