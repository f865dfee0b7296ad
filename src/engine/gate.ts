/**
 * Where a run may pause: the engine passes the gate at every boundary, and the gate holds it there.
 * Boundaries from small to large: a batch, a phase of an evaluation, a particle, an iteration of the swarm.
 */
import { cancelled } from "../lib/error.ts";

export type Boundary = "batch" | "phase" | "particle" | "iteration";
const rank: Record<Boundary, number> = { batch: 0, phase: 1, particle: 2, iteration: 3 };

export interface GateEvents {
  paused(): void;
  resumed(): void;
}

export class Gate {
  #paused = false;
  #cancelled = false;
  /** After `step`: pause at the next boundary at least this large. */
  #until: Boundary | null = null;
  #wake: (() => void)[] = [];
  readonly #events: GateEvents;
  /** The search should end with its best so far. */
  stopRequested = false;
  /** Guests served so far: whoever held the slot over a boundary writes it again when this has changed. */
  served = 0;
  /** Other work (a drawing's predictions, probes) asks to be let in between evaluations, or while paused. */
  readonly #guests: (() => Promise<void>)[] = [];

  constructor(events: GateEvents) {
    this.#events = events;
  }

  get paused(): boolean {
    return this.#paused;
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#until = null;
    this.#events.paused();
  }

  resume(): void {
    this.#until = null;
    this.#release();
  }

  step(by: Exclude<Boundary, "batch">): void {
    this.#until = by;
    this.#release();
  }

  stop(): void {
    this.stopRequested = true;
    this.resume();
  }

  cancel(): void {
    this.#cancelled = true;
    this.#wakeAll();
  }

  /** Runs `work` at the next boundary of a particle, or at once while paused. It may write the slot. */
  invite<T>(work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#guests.push(() => work().then(resolve, reject));
      this.#wakeAll();
    });
  }

  /** Awaited at each boundary; throws "cancelled" after `cancel()`. */
  async pass(boundary: Boundary): Promise<void> {
    if (this.#until && rank[boundary] >= rank[this.#until]) this.pause();
    for (;;) {
      if (this.#cancelled) throw cancelled();
      if (this.#guests.length > 0 && (this.#paused || rank[boundary] >= rank.particle)) {
        await this.#serveGuests();
        continue; // much may have changed meanwhile
      }
      if (!this.#paused) return;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** No evaluation will follow: whoever still waits is served now. */
  async end(): Promise<void> {
    await this.#serveGuests();
  }

  async #serveGuests(): Promise<void> {
    for (let guest = this.#guests.shift(); guest; guest = this.#guests.shift()) {
      this.served += 1;
      await guest();
    }
  }

  #release(): void {
    if (this.#paused) {
      this.#paused = false;
      this.#events.resumed();
    }
    this.#wakeAll();
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
