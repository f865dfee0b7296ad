/**
 * A swarm as coefficients. With r drawn a particle or a tensor, and no velocity at first, no particle ever leaves the
 * affine span of the starting points, so one row over the basis (or one a tensor) says all, exactly, in float64.
 */
import { moveUniform } from "../../../lib/rules.ts";
import type { MoveRule } from "../../../space/types.ts";
import type { Candidate, SwarmStore } from "../../types.ts";

export class SubspaceStore implements SwarmStore {
  readonly kind = "subspace";
  readonly #rule: MoveRule;
  readonly #rows: number;
  #columns = 0;
  #particles = 0;
  /** `[particles × rows × columns]` each. */
  #x = new Float64Array();
  #v = new Float64Array();
  #best = new Float64Array();

  /** `segments`: rows a particle when r is drawn a tensor. */
  constructor(rule: MoveRule, segments: number) {
    this.#rule = rule;
    this.#rows = rule.random === "tensor" ? segments : 1;
  }

  async start(rows: readonly Float64Array[]): Promise<void> {
    this.#particles = rows.length;
    this.#columns = rows[0]?.length ?? 0;
    this.#x = new Float64Array(rows.length * this.#size);
    rows.forEach((row, particle) => {
      for (let k = 0; k < this.#rows; k++) this.#x.set(row, particle * this.#size + k * this.#columns);
    });
    this.#v = new Float64Array(this.#x.length);
    this.#best = this.#x.slice();
  }

  candidate(particle: number): Candidate {
    return this.#shown(this.#x, particle);
  }

  best(particle: number): Candidate {
    return this.#shown(this.#best, particle);
  }

  keep(particle: number): void {
    const from = particle * this.#size;
    this.#best.set(this.#x.subarray(from, from + this.#size), from);
  }

  /** v ← w·v + c₁r₁(pbest − x) + c₂r₂(gbest − x); x ← x + v. Nobody's best changes meanwhile: the step is synchronous. */
  async move(step: number, globalBest: number): Promise<void> {
    const { inertia, cognitive, social, seed } = this.#rule;
    const [x, v, best] = [this.#x, this.#v, this.#best];
    const leader = globalBest * this.#size;
    for (let particle = 0; particle < this.#particles; particle++) {
      for (let row = 0; row < this.#rows; row++) {
        // Index 0 for scalar factors, the segment's for factors a tensor: both are the row.
        const pull1 = cognitive * moveUniform(seed, step, particle, 0, row);
        const pull2 = social * moveUniform(seed, step, particle, 1, row);
        for (let column = 0; column < this.#columns; column++) {
          const inside = row * this.#columns + column;
          const i = particle * this.#size + inside;
          const at = x[i] ?? 0;
          const velocity = inertia * (v[i] ?? 0) + pull1 * ((best[i] ?? 0) - at) + pull2 * ((best[leader + inside] ?? 0) - at);
          v[i] = velocity;
          x[i] = at + velocity;
        }
      }
    }
  }

  get #size(): number {
    return this.#rows * this.#columns;
  }

  #shown(from: Float64Array, particle: number): Candidate {
    const row = (k: number) => Array.from(from.subarray(particle * this.#size + k * this.#columns, particle * this.#size + (k + 1) * this.#columns), sayable);
    if (this.#rule.random !== "tensor") return { kind: "coefficients", values: row(0) };
    return { kind: "grouped", values: Array.from({ length: this.#rows }, (_, k) => row(k)) };
  }
}

/** JSON has no infinity; the largest number overflows float32 just the same, so the candidate still diverges. */
function sayable(value: number): number {
  return Number.isFinite(value) ? value : Number.MAX_VALUE;
}
