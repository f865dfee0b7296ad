/** Where things lie, and how the tools talk: progress on stderr, results on stdout. No dependency may be imported here. */
import { fileURLToPath } from "node:url";
import path from "node:path";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
/** Kept between runs, thrown away with node_modules. */
export const cache = path.join(root, "node_modules", ".cache", "murmuration");

export const at = (...parts) => path.join(root, ...parts);
export const say = (text) => process.stderr.write(`${text}\n`);

/** A failure with a sentence for the person at the terminal; anything else that is thrown shows its stack. */
export class Plain extends Error {
  /** @param {string} message @param {number} [exitCode] */
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Runs a tool's main function and turns a `Plain` into one sentence and its exit code. */
export async function main(run) {
  try {
    await run();
  } catch (error) {
    say(error instanceof Plain ? error.message : (error?.stack ?? String(error)));
    process.exitCode = error instanceof Plain ? error.exitCode : 1;
  }
}
