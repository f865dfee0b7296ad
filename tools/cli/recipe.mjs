/** A recipe from a file or standard input, with the changes the command line asked for, checked by the app's own schema. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Plain } from "../house.mjs";
import { app } from "./app.mjs";
import { exitCodes } from "./arguments.mjs";

const bad = (message) => new Plain(message, exitCodes.badRecipe);

/** Where paths on the command line start: npm changes into the package, its caller stood elsewhere. */
export const here = process.env.npm_package_name === "murmuration" && process.env.INIT_CWD ? process.env.INIT_CWD : process.cwd();

/**
 * @param {string} what a file, or "-"
 * @returns {{ raw: unknown, folder: string }} parsed JSON and the folder its paths are relative to
 */
export function readRecipe(what) {
  if (/\.ya?ml$/i.test(what))
    throw bad(`${what} is a mergekit recipe: those come with a later version. Write it as a .json recipe (docs/recipe.md shows how).`);
  const file = what === "-" ? null : path.resolve(here, what);
  let text;
  try {
    text = readFileSync(file ?? 0, "utf8");
  } catch (error) {
    throw bad(error.code === "ENOENT" ? `There is no recipe ${what}.` : `The recipe ${what} could not be read (${error.code ?? error.message}).`);
  }
  try {
    return { raw: JSON.parse(text), folder: file ? path.dirname(file) : here };
  } catch (error) {
    throw bad(`${file ? what : "Standard input"} is not JSON: ${error.message}.`);
  }
}

/**
 * The recipe as asked for: the JSON with `--set` and `--seed` applied, checked; a bad one is told in the schema's own words.
 * @param {any} raw
 * @param {{ set?: string[], seed?: number | null }} [changes]
 */
export async function ask(raw, { set = [], seed = null } = {}) {
  const { applySetting, parseRecipe } = await app();
  return told(() => {
    let changed = raw;
    for (const setting of set) changed = applySetting(changed, setting);
    if (seed !== null) changed = applySetting(changed, `seeds.search=${seed}`);
    return parseRecipe(changed);
  });
}

export async function askReport(raw) {
  const { parseReport } = await app();
  return told(() => parseReport(raw));
}

async function told(work) {
  const { isLabError } = await app();
  try {
    return work();
  } catch (error) {
    if (isLabError(error)) throw bad(error.message);
    throw error;
  }
}

/** Every place in a recipe that names a model or a source of samples: [reference, put back]. */
export function references(recipe) {
  const found = [];
  const of = (owner, field) => typeof owner?.[field] === "string" && found.push([owner[field], (text) => (owner[field] = text)]);
  of(recipe.base, "model");
  for (const expert of recipe.experts ?? []) of(expert, "model");
  for (const task of recipe.tasks ?? []) of(task, "source");
  return found;
}

export const isLocal = (reference) => /^(\.{1,2})?\//.test(reference) || reference === "." || reference === "..";
