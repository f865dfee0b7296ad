/** Ctrl-C stops a run in order: the lab is told, the browser closed, exit code 130. A second Ctrl-C does not wait. */
import { Plain } from "../house.mjs";
import { exitCodes } from "./arguments.mjs";

const patienceMs = 3_000;
const signals = ["SIGINT", "SIGTERM"];

/**
 * From now on signals are heard. `race(work)` is `work`, or a rejection with exit code 130.
 * @param {string} sentence what the person at the terminal reads
 */
export function interruptible(sentence) {
  let interrupt;
  const interrupted = new Promise((_, reject) => (interrupt = () => reject(new Plain(sentence, exitCodes.interrupted))));
  interrupted.catch(() => undefined);
  /** Asked to end its run first; set once there is one. @type {(() => Promise<unknown>) | null} */
  let cancel = null;
  let asked = false;

  const hear = () => {
    if (asked) process.exit(exitCodes.interrupted);
    asked = true;
    if (!cancel) return interrupt();
    setTimeout(interrupt, patienceMs).unref();
    cancel().then(interrupt, interrupt);
  };
  for (const signal of signals) process.on(signal, hear);

  return {
    /** @param {() => Promise<unknown>} how */
    cancelWith(how) {
      cancel = how;
    },
    /** @template T @param {Promise<T>} work @returns {Promise<T>} */
    race(work) {
      // The lab's own "cancelled" is the same end.
      const ours = work.catch((error) => {
        if (asked) return interrupted;
        throw error;
      });
      return Promise.race([interrupted, ours]);
    },
    deaf() {
      for (const signal of signals) process.off(signal, hear);
    },
  };
}
