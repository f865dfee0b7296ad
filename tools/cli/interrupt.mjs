/** Ctrl-C stops a run in order: the lab is told, the browser closed, exit code 130. A second Ctrl-C does not wait. */
import { Plain } from "../house.mjs";
import { exitCodes } from "./arguments.mjs";

const patienceMs = 3_000;

/** @template T @param {{ cancel(): Promise<unknown> }} session @param {() => Promise<T>} work @returns {Promise<T>} */
export async function interruptible(session, work) {
  let stop;
  const interrupted = new Promise((_, reject) => {
    let asked = false;
    stop = () => {
      if (asked) process.exit(exitCodes.interrupted);
      asked = true;
      const end = () => reject(new Plain("Interrupted. What was scored is in trace.jsonl: the same command with --resume goes on from there.", exitCodes.interrupted));
      setTimeout(end, patienceMs).unref();
      session.cancel().catch(() => undefined);
      running.then(end, end);
    };
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, stop);
  const running = work();
  running.catch(() => undefined);
  try {
    return await Promise.race([
      interrupted,
      running.catch((error) => {
        // The lab's own word for it.
        if (error instanceof Plain && error.exitCode === exitCodes.interrupted) return interrupted;
        throw error;
      }),
    ]);
  } finally {
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, stop);
  }
}
