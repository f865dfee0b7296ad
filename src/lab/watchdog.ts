/** Asks a thread now and then whether it is alive; a runtime that hangs blocks its worker, timers included. */
export class Watchdog {
  readonly #ping: () => Promise<unknown>;
  readonly #limitMs: number;

  constructor(ping: () => Promise<unknown>, limitMs: number) {
    this.#ping = ping;
    this.#limitMs = limitMs;
  }

  /** Rejects when the thread has not answered for the limit. Ends with `signal`. */
  watch(signal: AbortSignal): Promise<never> {
    return new Promise((_, reject) => {
      const ask = () => {
        if (signal.aborted) return;
        const late = setTimeout(() => reject(new Hung(this.#limitMs)), this.#limitMs);
        void this.#ping().then(
          () => {
            clearTimeout(late);
            setTimeout(ask, Math.min(1000, this.#limitMs / 4));
          },
          () => clearTimeout(late),
        );
        signal.addEventListener("abort", () => clearTimeout(late), { once: true });
      };
      ask();
    });
  }
}

export class Hung extends Error {
  constructor(limitMs: number) {
    super(`No answer for ${Math.round(limitMs / 1000)} s`);
  }
}
