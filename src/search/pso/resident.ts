/**
 * A swarm whose particles are weights: x, v and the personal best of each, moved where they lie. With scalar or tensor
 * factors it walks the very path of the coefficients' swarm; with a factor an element it leaves their span.
 */
import { LabError } from "../../lib/error.ts";
import type { CpuBasis } from "../../space/basis.cpu.ts";
import type { GpuBasis } from "../../space/basis.gpu.ts";
import type { Basis, MoveRule, ResidentSwarm, Slot } from "../../space/types.ts";
import { checkRows, GpuResidentSwarm } from "./resident.gpu.ts";
import { update } from "./update/update.cpu.ts";

/** On the GPU where the basis is there. Memory: `swarmBytesNeeded` of the basis, 3 · particles models. */
export function openResidentSwarm(basis: Basis, particles: number): ResidentSwarm {
  // `backend` tells which of the two classes a basis is.
  return basis.backend === "webgpu" ? new GpuResidentSwarm(basis as GpuBasis, particles) : new CpuResidentSwarm(basis as CpuBasis, particles);
}

interface Particle {
  readonly x: Float32Array[];
  readonly v: Float32Array[];
  readonly pbest: Float32Array[];
  finite: boolean;
  pbestFinite: boolean;
}

export class CpuResidentSwarm implements ResidentSwarm {
  readonly backend = "cpu";
  readonly gpuBytes = 0;
  readonly particles: number;
  readonly #basis: CpuBasis;
  #all: Particle[] = [];

  constructor(basis: CpuBasis, particles: number) {
    this.#basis = basis;
    this.particles = particles;
  }

  async start(rows: readonly Float64Array[]): Promise<void> {
    checkRows(rows, this.particles);
    const { segments } = this.#basis.space;
    this.#all = rows.map((row) => {
      const table = this.#basis.factors.table(row);
      let finite = true;
      const x = segments.map((segment) => {
        const out = new Float32Array(segment.length);
        finite = this.#basis.write(segment, table, out) && finite;
        return out;
      });
      return { x, v: x.map((w) => new Float32Array(w.length)), pbest: x.map((w) => w.slice()), finite, pbestFinite: finite };
    });
  }

  keep(particle: number): void {
    const one = this.#at(particle);
    one.pbest.forEach((best, s) => best.set(one.x[s] as Float32Array));
    one.pbestFinite = one.finite;
  }

  async move(step: number, globalBest: number, rule: MoveRule): Promise<void> {
    const best = this.#at(globalBest).pbest;
    this.#all.forEach((one, particle) => {
      one.finite = true;
      for (const segment of this.#basis.space.segments) {
        const s = segment.index;
        const [x, v, pbest, gbest] = [one.x[s], one.v[s], one.pbest[s], best[s]] as [Float32Array, Float32Array, Float32Array, Float32Array];
        one.finite = update(x, v, pbest, gbest, rule, step, particle, segment) && one.finite;
      }
    });
  }

  async show(particle: number, what: "x" | "pbest", slot: Slot): Promise<{ nonFinite: boolean }> {
    const one = this.#at(particle);
    slot.arrays.forEach((array, s) => array.set(one[what][s] as Float32Array));
    return { nonFinite: !(what === "x" ? one.finite : one.pbestFinite) };
  }

  #at(particle: number): Particle {
    const one = this.#all[particle];
    if (!one) throw new LabError("internal", `There is no particle ${particle} in a swarm of ${this.#all.length}.`);
    return one;
  }

  destroy(): void {
    this.#all = [];
  }
}
