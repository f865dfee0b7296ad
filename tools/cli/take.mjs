/**
 * Files that a page wrote into its origin's file system, moved out of the browser's profile. Chromium keeps each as a plain file under a
 * number of its own; which is which is told by length and beginning. What is not found there the page has to send.
 */
import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, readSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";
import { ownFiles } from "./lend.mjs";

/**
 * @param {string} profile
 * @param {{ path: string, bytes: number, start: string | null }[]} files `start`: first bytes, base64
 * @param {string} into
 * @param {Set<string>} lent links to inputs, which may begin like what was made of them
 * @returns those that were not found
 */
export function take(profile, files, into, lent) {
  const there = ownFiles(profile).filter((place) => !lent.has(place)).map((place) => ({ place, bytes: statSync(place).size }));
  const missing = [];
  for (const file of files) {
    const at = there.findIndex(({ place, bytes }) => bytes === file.bytes && file.start !== null && beginning(place, file.start));
    if (at < 0) {
      missing.push(file);
      continue;
    }
    const [{ place }] = there.splice(at, 1);
    const target = path.join(into, file.path);
    mkdirSync(path.dirname(target), { recursive: true });
    try {
      renameSync(place, target);
    } catch (error) {
      if (error.code !== "EXDEV") throw error;
      copyFileSync(place, target);
      rmSync(place, { force: true });
    }
    chmodSync(target, 0o666 & ~process.umask()); // the browser keeps its own to itself
  }
  return missing;
}

function beginning(place, start) {
  const wanted = Buffer.from(start, "base64");
  const found = Buffer.alloc(wanted.length);
  const handle = openSync(place, "r");
  try {
    return readSync(handle, found, 0, found.length, 0) === wanted.length && found.equals(wanted);
  } finally {
    closeSync(handle);
  }
}
