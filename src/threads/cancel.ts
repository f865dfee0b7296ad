/** Stopping to wait: a call to a thread races the signal, and loses quietly. */
import { cancelled } from "../lib/error.ts";

/** Rejects with code "cancelled" as soon as the signal fires; what the call then still says is nobody's business. */
export function race<T>(call: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
  if (!signal) return call;
  return new Promise((resolve, reject) => {
    const stop = () => reject(cancelled());
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
    call.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

export function throwIfCancelled(signal: AbortSignal | null | undefined): void {
  if (signal?.aborted) throw cancelled();
}
