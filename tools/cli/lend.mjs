/**
 * Large inputs lent to the page: it makes small files in its own file system, and each is replaced in the browser's profile by a hard link to
 * the real one, which the page opens for reading only. Where a browser keeps its files elsewhere, or a disk knows no such links, it
 * reads the file it was handed.
 */
import { existsSync, linkSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import path from "node:path";

const longest = 100;

/** Files of the page's own file system, as they lie in a profile. */
export function ownFiles(profile) {
  return [path.join(profile, "Default", "File System"), path.join(profile, "File System")].flatMap(listed);
}

/**
 * @param {string} profile
 * @param {Map<string, string>} wanted real file by the text that the page wrote in its place
 * @returns {Map<string, string>} the link, by that text
 */
export function lend(profile, wanted) {
  const lent = new Map();
  for (const place of ownFiles(profile)) {
    const text = statSync(place).size <= longest ? readFileSync(place, "utf8") : "";
    const real = wanted.get(text);
    if (real === undefined) continue;
    const beside = `${place}.lent`;
    try {
      linkSync(real, beside);
      renameSync(beside, place);
      lent.set(text, place);
    } catch {
      if (existsSync(beside)) rmSync(beside, { force: true }); // another disk, or no right to: it is read as it was handed over
    }
  }
  return lent;
}

function listed(folder) {
  let entries;
  try {
    entries = readdirSync(folder, { withFileTypes: true });
  } catch {
    return []; // this browser keeps them elsewhere
  }
  return entries.flatMap((entry) => {
    const place = path.join(folder, entry.name);
    return entry.isDirectory() ? listed(place) : entry.isFile() ? [place] : [];
  });
}
