/**
 * DIR of `merge --out DIR`: refused when it holds something, the trace appended as it happens, everything else written into a
 * sibling folder and moved over at the end, the report last. So DIR never holds half a model.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Plain } from "../house.mjs";
import { exitCodes } from "./arguments.mjs";

const ours = ["report.json", "predictions.jsonl", "recipe.json", "README.md", "mergekit_config.yml", "trace.jsonl"];

export class ResultFolder {
  /** @param {string} folder @param {{ resume: boolean, force: boolean }} options */
  constructor(folder, { resume, force }) {
    this.folder = folder;
    this.name = path.basename(folder);
    this.beside = path.join(path.dirname(folder), `.${this.name}.partial-${process.pid}`);
    const found = statSync(folder, { throwIfNoEntry: false });
    if (found && !found.isDirectory()) throw new Plain(`${folder} is a file, not a folder: name another with --out.`, exitCodes.badRecipe);
    this.existed = Boolean(found);
    if (found && readdirSync(folder).length > 0 && !resume && !force)
      throw new Plain(`${folder} is not empty. Go on with it by --resume, replace it by --force, or name another with --out.`, exitCodes.badRecipe);
    this.resume = resume;
    this.force = force;
  }

  /** Rows of an earlier run, when `recipe` is the one it ran. Nothing is written yet. */
  journal(recipe) {
    if (!this.resume) return [];
    const kept = readOr(path.join(this.folder, "recipe.json"));
    const text = readOr(path.join(this.folder, "trace.jsonl"));
    if (text === null) return [];
    const earlier = kept === null ? null : parseOr(kept);
    const where = earlier && differs(withoutDigests(earlier), withoutDigests(recipe));
    if (where) throw new Plain(`${this.folder} was made with another recipe: ${where} differs. Undo that change, or start anew with --force.`, exitCodes.badRecipe);
    const rows = [];
    for (const line of text.split("\n")) {
      const row = parseOr(line); // the last line may be cut where the run was
      if (!row) break;
      rows.push(row);
    }
    return rows;
  }

  /** For what keeps no trace: nothing is in DIR before `finish`. */
  prepare() {
    try {
      mkdirSync(path.dirname(this.folder), { recursive: true });
      this.#sweep();
      mkdirSync(this.beside, { recursive: true });
    } catch (error) {
      throw new Plain(`${this.folder} cannot be written to (${error.code}). Name another with --out.`, exitCodes.badRecipe);
    }
  }

  /** What was finished here before, by this very recipe; null where there is nothing. */
  finished(recipe) {
    const report = this.resume ? parseOr(readOr(path.join(this.folder, "report.json")) ?? "") : null;
    if (!report) return null;
    const where = differs(withoutDigests(report.recipe), withoutDigests(recipe));
    if (where) throw new Plain(`${this.folder} was made with another recipe: ${where} differs. Undo that change, or start anew with --force.`, exitCodes.badRecipe);
    return report;
  }

  /** Makes DIR ready: the recipe as asked, and a trace of the rows that are kept. */
  begin(recipe, rows) {
    try {
      mkdirSync(this.folder, { recursive: true });
      this.#sweep();
      mkdirSync(this.beside, { recursive: true });
      if (this.force) this.#clear();
      writeFileSync(path.join(this.folder, "recipe.json"), `${JSON.stringify(recipe, null, 2)}\n`);
      this.trace = path.join(this.folder, "trace.jsonl");
      writeFileSync(this.trace, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    } catch (error) {
      throw new Plain(`${this.folder} cannot be written to (${error.code}). Name another with --out.`, exitCodes.badRecipe);
    }
  }

  append(row) {
    appendFileSync(this.trace, `${JSON.stringify(row)}\n`);
  }

  write(relative, text) {
    writeFileSync(path.join(this.beside, relative), text);
  }

  has(relative) {
    return existsSync(path.join(this.beside, relative));
  }

  read(relative) {
    return readFileSync(path.join(this.beside, relative));
  }

  /** Paths of all files that wait to be moved over. */
  list(under = "") {
    return readdirSync(path.join(this.beside, under), { withFileTypes: true })
      .flatMap((entry) => {
        const name = under ? `${under}/${entry.name}` : entry.name;
        return entry.isDirectory() ? this.list(name) : [name];
      })
      .sort();
  }

  /** Moves everything over; the report comes last, so where it lies the rest lies too. */
  finish() {
    if (this.resume || (this.force && !this.trace)) this.#clear();
    mkdirSync(this.folder, { recursive: true });
    const names = readdirSync(this.beside).sort((a, b) => Number(a === "report.json") - Number(b === "report.json"));
    for (const name of names) {
      const target = path.join(this.folder, name);
      rmSync(target, { recursive: true, force: true });
      renameSync(path.join(this.beside, name), target);
    }
    rmSync(this.beside, { recursive: true, force: true });
  }

  /** After a failure: what was begun goes, the trace stays for --resume. A folder we made and never used goes too. */
  abandon() {
    rmSync(this.beside, { recursive: true, force: true });
    if (this.existed || !this.trace || statSync(this.trace, { throwIfNoEntry: false })?.size) return;
    rmSync(this.trace, { force: true });
    rmSync(path.join(this.folder, "recipe.json"), { force: true });
    try {
      rmdirSync(this.folder);
    } catch {
      // Somebody else put something there.
    }
  }

  /** What runs that were killed left beside. */
  #sweep() {
    for (const name of readdirSync(path.dirname(this.folder)))
      if (name.startsWith(`.${this.name}.partial-`) && !alive(Number(name.split("-").at(-1)))) rmSync(path.join(path.dirname(this.folder), name), { recursive: true, force: true });
  }

  /** Removes what an earlier run wrote here, by its own report, and nothing else. */
  #clear() {
    const report = parseOr(readOr(path.join(this.folder, "report.json")) ?? "");
    const listed = Array.isArray(report?.files) ? report.files.map((file) => String(file?.path ?? "")) : [];
    for (const relative of [...listed, ...ours]) {
      const file = path.resolve(this.folder, relative);
      if (!file.startsWith(this.folder + path.sep) || (relative === "trace.jsonl" && this.resume)) continue;
      rmSync(file, { force: true });
      for (let up = path.dirname(file); up !== this.folder && existsSync(up) && readdirSync(up).length === 0; up = path.dirname(up)) rmdirSync(up);
    }
  }
}

function readOr(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return null;
  }
}

function parseOr(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** A resolved recipe carries revisions and digests that the asked one need not. */
function withoutDigests(recipe) {
  return JSON.parse(JSON.stringify(recipe, (name, value) => (name === "revision" || name === "sha256" ? undefined : value)));
}

/** Path of the first difference of two JSON values, or null. */
export function differs(a, b, at = "") {
  if (a === b) return null;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return at || "all of it";
  for (const name of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = differs(a[name], b[name], at ? `${at}.${name}` : name);
    if (found) return found;
  }
  return null;
}
