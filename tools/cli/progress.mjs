/** Progress on stderr: a bar with the time left on a terminal, a line a phase elsewhere, nothing when quiet. */
import { say } from "../house.mjs";

const names = { load: "Loading", compile: "Preparing", search: "Searching", compare: "Comparing", test: "Testing", done: "Done" };

export function progress({ quiet }) {
  if (quiet) return { hear() {}, close() {} };
  const terminal = Boolean(process.stderr.isTTY);
  let shown = "";
  let drawn = false;
  const clear = () => {
    if (drawn) process.stderr.write("\r\x1b[K");
    drawn = false;
  };
  const line = (text) => {
    clear();
    say(text);
  };

  return {
    /** @param {any} event a LabEvent */
    hear(event) {
      if (event.type === "loaded") line(`${event.device.adapter}: kernels on ${event.device.kernels}, scoring on ${event.device.runtime}, ${event.device.threads} thread${event.device.threads === 1 ? "" : "s"}.`);
      else if (event.type === "phase" && !terminal && event.phase !== shown) line(`${names[(shown = event.phase)] ?? event.phase} …`);
      else if (event.type === "warning" || event.type === "recovered") line(event.message);
      else if (event.type === "winner") line(`${event.run}: evaluation ${event.evaluation} won with ${event.fitness.toFixed(4)} after ${(event.ms / 1000).toFixed(1)} s.`);
      else if (event.type === "progress" && terminal && event.total > 0) {
        const share = Math.min(1, event.done / event.total);
        const width = 30;
        const full = Math.round(share * width);
        const left = event.secondsLeft === null ? "" : `  ${duration(event.secondsLeft)} left`;
        process.stderr.write(`\r\x1b[K${(names[event.phase] ?? event.phase).padEnd(10)} ${"█".repeat(full)}${"░".repeat(width - full)} ${event.done}/${event.total}${left}`);
        drawn = true;
      }
    },
    close: clear,
  };
}

export function duration(seconds) {
  if (seconds < 1) return "under a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
