/** A swarm as weights on the GPU (or its twin): candidates are known by particle and step, not by coefficients. */
import type { MoveRule, ResidentSwarm } from "../../../space/types.ts";
import type { Candidate, SwarmStore } from "../../types.ts";

export class ResidentStore implements SwarmStore {
  readonly kind = "resident";
  readonly #rule: MoveRule;
  readonly #swarm: ResidentSwarm;

  constructor(rule: MoveRule, swarm: ResidentSwarm) {
    this.#rule = rule;
    this.#swarm = swarm;
  }

  start(rows: readonly Float64Array[]): Promise<void> {
    return this.#swarm.start(rows);
  }

  candidate(particle: number, step: number): Candidate {
    return { kind: "resident", particle, step, what: "x" };
  }

  best(particle: number, step: number): Candidate {
    return { kind: "resident", particle, step, what: "pbest" };
  }

  keep(particle: number): void {
    this.#swarm.keep(particle);
  }

  move(step: number, globalBest: number): Promise<void> {
    return this.#swarm.move(step, globalBest, this.#rule);
  }
}
