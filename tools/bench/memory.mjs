/** A thread that watches the memory (proportional set size) of all processes that this one started, so that watching slows nobody. Linux. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** Answers a function that stops it and gives the highest growth in bytes; null where there is no /proc. */
export async function watchMemory() {
  if (!existsSync("/proc/self/smaps_rollup")) return null;
  const thread = new Worker(new URL(import.meta.url), { workerData: { watch: process.pid } });
  await new Promise((resolve) => thread.once("message", resolve));
  return async () => {
    const growth = new Promise((resolve) => thread.once("message", resolve));
    thread.postMessage("stop");
    const bytes = await growth;
    await thread.terminate();
    return /** @type {number} */ (bytes);
  };
}

if (!isMainThread && workerData?.watch) {
  const before = bytesUnder(workerData.watch);
  let most = before;
  parentPort?.postMessage("watching");
  const timer = setInterval(() => (most = Math.max(most, bytesUnder(workerData.watch))), 100);
  parentPort?.once("message", () => {
    clearInterval(timer);
    parentPort?.postMessage(Math.max(most, bytesUnder(workerData.watch)) - before);
  });
}

function bytesUnder(root) {
  const parents = new Map();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) parents.set(Number(pid), Number(field(`/proc/${pid}/status`, /^PPid:\s+(\d+)/m)));
  let bytes = 0;
  for (const pid of parents.keys()) {
    let up = parents.get(pid);
    while (up && up !== root) up = parents.get(up);
    if (up) bytes += 1024 * field(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+)/m);
  }
  return bytes;
}

/** 0 where the process is gone meanwhile. */
function field(file, pattern) {
  try {
    return Number(pattern.exec(readFileSync(file, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
