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

  const bar = (name, share, text, secondsLeft) => {
    const width = 30;
    const full = Math.round(Math.min(1, share) * width);
    const left = secondsLeft === null ? "" : `  ${duration(secondsLeft)} left`;
    process.stderr.write(`\r\x1b[K${name.padEnd(10)} ${"█".repeat(full)}${"░".repeat(width - full)} ${text}${left}`);
    drawn = true;
  };
  let tenths = 0;
  /** Bytes read and written; off a terminal a line a tenth. */
  const merging = ({ share, readBytes, totalReadBytes, writtenBytes, totalWriteBytes, secondsLeft }) => {
    const text = `${gigabytes(Math.min(readBytes, totalReadBytes), totalReadBytes)} read, ${gigabytes(writtenBytes, totalWriteBytes)} written`;
    if (terminal) return bar("Merging", share, text, secondsLeft);
    const now = Math.floor(share * 10);
    if (now === tenths && shown === "merging") return;
    [shown, tenths] = ["merging", now];
    line(`Merging: ${now * 10} %, ${text}${secondsLeft ? `, ${duration(secondsLeft)} left` : ""}.`);
  };

  return {
    /** @param {any} event a LabEvent */
    hear(event) {
      if (event.type === "loaded") line(`${event.device.adapter}: kernels on ${event.device.kernels}, scoring on ${event.device.runtime}, ${event.device.threads} thread${event.device.threads === 1 ? "" : "s"}.`);
      else if (event.type === "phase" && !terminal && event.phase !== shown) line(`${names[(shown = event.phase)] ?? event.phase} …`);
      else if (event.type === "warning" || event.type === "recovered") line(event.message);
      else if (event.type === "winner") line(`${event.run}: evaluation ${event.evaluation} won with ${event.fitness.toFixed(4)} after ${(event.ms / 1000).toFixed(1)} s.`);
      else if (event.type === "progress" && terminal && event.total > 0) {
        bar(names[event.phase] ?? event.phase, event.done / event.total, `${event.done}/${event.total}`, event.secondsLeft);
      } else if (event.type === "merging") merging(event);
      else if (event.type === "loading" && event.state === "download" && terminal && event.total > 0) bar("Loading", event.loaded / event.total, `${event.file} ${gigabytes(event.loaded, event.total)}`, null);
    },
    close: clear,
  };
}

export function duration(seconds) {
  if (seconds < 1) return "under a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

function gigabytes(part, whole) {
  const [unit, size] = whole >= 1e9 ? ["GB", 1e9] : ["MB", 1e6];
  return `${(part / size).toFixed(1)} of ${(whole / size).toFixed(1)} ${unit}`;
}

export function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
