/** Bests among scored proposals: strictly higher wins, the earlier stays. */
import type { Found, Outcome, Proposal, Told } from "./types.ts";

/** Does `fitness` take the place of `held`? A diverged candidate never does. */
export function beats(fitness: Told, held: { readonly fitness: number } | null): fitness is number {
  return fitness !== null && Number.isFinite(fitness) && (held === null || fitness > held.fitness);
}

/** Best first, earlier first among equals. */
export function ranked(found: readonly Found[], most: number): Found[] {
  return [...found].sort((a, b) => b.fitness - a.fitness || a.proposal.evaluation - b.proposal.evaluation).slice(0, most);
}

/** For searches without a swarm: every candidate stands on its own, so the only best is the global one. */
export class Scoreboard {
  readonly #found: Found[] = [];
  #best: Found | null = null;

  tell(proposal: Proposal, fitness: Told): Outcome {
    if (fitness === null || !Number.isFinite(fitness)) return { personalBest: false, globalBest: false };
    const found = { proposal, candidate: proposal.candidate, fitness };
    const leads = beats(fitness, this.#best);
    this.#found.push(found);
    if (leads) this.#best = found;
    return { personalBest: leads, globalBest: leads };
  }

  best(): Found | null {
    return this.#best;
  }

  finalists(most: number): Found[] {
    return ranked(this.#found, most);
  }
}
