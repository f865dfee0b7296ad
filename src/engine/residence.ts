/**
 * A resident swarm that can be rebuilt: what was done to it is logged (starts, keeps, moves), kilobytes in all,
 * and done again on a new device. Its weights are never copied off the GPU.
 */
import type { MoveRule, ResidentSwarm, Slot } from "../space/types.ts";

type Deed = { kind: "keep"; particle: number } | { kind: "move"; step: number; globalBest: number; rule: MoveRule };

export class Residence implements ResidentSwarm {
  #swarm: ResidentSwarm;
  /** Does the work; when the device is lost meanwhile, has everything rebuilt first and says so. */
  readonly #onDevice: <T>(work: () => Promise<T>) => Promise<{ value: T } | "rebuilt">;
  #rows: readonly Float64Array[] = [];
  #deeds: Deed[] = [];

  constructor(swarm: ResidentSwarm, onDevice: <T>(work: () => Promise<T>) => Promise<{ value: T } | "rebuilt">) {
    this.#swarm = swarm;
    this.#onDevice = onDevice;
  }

  get backend() {
    return this.#swarm.backend;
  }

  get particles() {
    return this.#swarm.particles;
  }

  get gpuBytes() {
    return this.#swarm.gpuBytes;
  }

  /** Moves in on another swarm (of a new device, or of the CPU twin) and does everything again. */
  async rebuild(swarm: ResidentSwarm): Promise<void> {
    this.#swarm = swarm;
    if (this.#rows.length === 0) return;
    await swarm.start(this.#rows);
    for (const deed of this.#deeds) {
      if (deed.kind === "keep") swarm.keep(deed.particle);
      else await swarm.move(deed.step, deed.globalBest, deed.rule);
    }
  }

  async start(rows: readonly Float64Array[]): Promise<void> {
    this.#rows = rows;
    this.#deeds = [];
    await this.#onDevice(() => this.#swarm.start(rows)); // a rebuild starts it again
  }

  keep(particle: number): void {
    this.#deeds.push({ kind: "keep", particle });
    this.#swarm.keep(particle);
  }

  async move(step: number, globalBest: number, rule: MoveRule): Promise<void> {
    this.#deeds.push({ kind: "move", step, globalBest, rule });
    await this.#onDevice(() => this.#swarm.move(step, globalBest, rule)); // a rebuild has made this move too
  }

  show(particle: number, what: "x" | "pbest", slot: Slot): Promise<{ nonFinite: boolean }> {
    return this.#swarm.show(particle, what, slot);
  }

  destroy(): void {
    this.#swarm.destroy();
  }
}
