/** The nouns of a search. */
import type { Setting } from "../lib/settings.ts";
import type { Basis, ResidentSwarm } from "../space/types.ts";

/** What a search proposes to be scored. Coefficients: one row over the basis, or one row a segment (`[segments][columns]`). */
export type Candidate =
  | { readonly kind: "coefficients"; readonly values: readonly number[] }
  | { readonly kind: "grouped"; readonly values: readonly (readonly number[])[] }
  /** A data-free merge with all its numbers given, as a recipe's run says them: its weights are made from the models themselves. */
  | { readonly kind: "method"; readonly method: string; readonly parameters: Readonly<Record<string, unknown>> }
  /** A resident particle, known by the seed: where it stands at this step. */
  | { readonly kind: "resident"; readonly particle: number; readonly step: number; readonly what: "x" | "pbest" };

export interface Proposal {
  /** Counted from 0 over the run. */
  readonly evaluation: number;
  /** 0 for starting points. */
  readonly step: number;
  readonly particle: number;
  /** Where the particle started: "base", "digits", "digits:dare(0.2)", "linear", … */
  readonly origin: string;
  readonly candidate: Candidate;
}

/** What a search is told: fitness (higher is better), or null when the candidate diverged. */
export type Told = number | null;

export interface Outcome {
  readonly personalBest: boolean;
  readonly globalBest: boolean;
}

export interface Plan {
  readonly evaluations: number;
  readonly particles: number;
  readonly steps: number;
}

/** Ask for a candidate, tell its fitness; never touches models, tasks or clocks. Deterministic in its seed and what it is told. */
export interface Search {
  readonly plan: Plan;
  /** The next candidate, or null when the search is over. */
  ask(): Promise<Proposal | null>;
  tell(fitness: Told): Promise<Outcome>;
  /** The candidate that `ask` will give after the one asked now, where that does not depend on what is told; else null. */
  peek(): Candidate | null;
  /** Best so far, null before the first finite score. Its candidate can be materialised at any time. */
  best(): Found | null;
  /** The `most` best that can still be materialised, best first, the earlier first among equals: `validate` chooses among them. */
  finalists(most: number): readonly Found[];
}

export interface Found {
  /** As it was proposed and scored. */
  readonly proposal: Proposal;
  /** How it can be materialised now. */
  readonly candidate: Candidate;
  readonly fitness: number;
}

/** Where a swarm lives: coefficients in memory, or weights on the GPU. */
export interface SwarmStore {
  readonly kind: "subspace" | "resident";
  start(rows: readonly Float64Array[]): Promise<void>;
  candidate(particle: number, step: number): Candidate;
  /** The personal best of a particle, as it stands. */
  best(particle: number, step: number): Candidate;
  /** Personal best ← where the particle stands. */
  keep(particle: number): void;
  move(step: number, globalBest: number): Promise<void>;
}

/** A starting point of a swarm, as coefficients over the basis. */
export interface StartingPoint {
  readonly origin: string;
  readonly row: Float64Array;
}

/** What of a recipe a search needs; a parsed recipe is one. */
export interface Ingredients {
  readonly experts: readonly { readonly id: string; readonly parameters: { readonly weight: Setting<number> } }[];
  readonly seeds: { readonly search: number };
}

/** What a search stands on once models are loaded. */
export interface Ground<R extends ResidentSwarm = ResidentSwarm> {
  /** Column ids of the basis, `[0]` = "base"; experts' task vectors by expert id, masked ones by `sparsifiedColumns`. */
  readonly columns: readonly string[];
  readonly basis: { readonly space: { readonly segments: Basis["space"]["segments"] } };
  /** A swarm of weights, for `swarm: resident`. */
  settle(particles: number): Promise<R>;
}
