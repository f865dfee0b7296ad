/** Awaiting a WASM run never yields to the event loop: without a macrotask between batches, pause and stop are deaf. */
const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();

/** Lets messages, timers and callbacks run once. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(0);
  });
}

/** Longest time without a macrotask, ms: a click is heard within it. */
const BREATH_MS = 50;
let heardAt = 0;

/** A macrotask where the last lies a while back: for steps that are shorter than the wait for one. */
export async function breath(): Promise<void> {
  if (performance.now() - heardAt < BREATH_MS) return;
  await macrotask();
  heardAt = performance.now();
}
