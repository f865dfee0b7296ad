/** What base, experts, average and merge say to one drawing: one question at a time, the newest drawing wins. */
import type { Answer, Lab, Which } from "../../index.ts";

export interface Asked {
  readonly id: string;
  readonly which: Which;
}

export class TryIt {
  image = $state.raw<Uint8Array | null>(null);
  /** By the id that was asked. */
  answers = $state.raw<Readonly<Record<string, Answer>>>({});
  task = $state<string | null>(null);
  busy = $state(false);
  problem = $state<string | null>(null);
  #waiting: (() => Promise<void>) | null = null;

  /** `ready` loads the models first when nobody has yet. */
  ask(image: Uint8Array | null, lab: Pick<Lab, "predict">, ready: () => Promise<readonly Asked[]>): void {
    this.image = image;
    if (image === null) {
      this.#waiting = null;
      this.answers = {};
      return;
    }
    const task = this.task;
    this.#waiting = async () => {
      // One model a question: answers appear as they come, and a newer drawing need not wait for all of them.
      for (const { id, which } of await ready()) {
        if (this.#waiting !== null || this.image === null) return;
        const [answer] = await lab.predict(image, [which], task);
        if (answer && this.image !== null) this.answers = { ...this.answers, [id]: answer };
      }
    };
    if (!this.busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.busy = true;
    for (let next = this.#take(); next; next = this.#take()) {
      try {
        await next();
        this.problem = null;
      } catch (problem) {
        this.problem = problem instanceof Error ? problem.message : String(problem);
      }
    }
    this.busy = false;
  }

  #take(): (() => Promise<void>) | null {
    const next = this.#waiting;
    this.#waiting = null;
    return next;
  }
}
