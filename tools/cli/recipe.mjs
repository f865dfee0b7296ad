/** A recipe from a file or standard input, with the changes the command line asked for, checked by the app's own schema. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { Plain } from "../house.mjs";
import { app } from "./app.mjs";
import { exitCodes } from "./arguments.mjs";

const bad = (message) => new Plain(message, exitCodes.badRecipe);

/** Where paths on the command line start: npm changes into the package, its caller stood elsewhere. */
export const here = process.env.npm_package_name === "murmuration" && process.env.INIT_CWD ? process.env.INIT_CWD : process.cwd();

/**
 * @param {string} what a JSON recipe, a mergekit file, or "-" for either on standard input
 * @returns {Promise<{ raw: unknown, folder: string, warnings: { message: string }[] }>} a recipe as written and the folder its paths are relative to
 */
export async function readRecipe(what) {
  const file = what === "-" ? null : path.resolve(here, what);
  let text;
  try {
    text = readFileSync(file ?? 0, "utf8");
  } catch (error) {
    throw bad(error.code === "ENOENT" ? `There is no recipe ${what}.` : `The recipe ${what} could not be read (${error.code ?? error.message}).`);
  }
  const [name, folder] = file ? [what, path.dirname(file)] : ["Standard input", here];
  if (/\.ya?ml$/i.test(what) || (file === null && /^\s*(#|[\w-]+\s*:)/.test(text))) {
    const { readMergekit } = await app();
    const read = await told(() => readMergekit(text, { file: name, exists: (relative) => existsSync(path.resolve(folder, relative)) }));
    return { raw: read.recipe, folder, warnings: read.warnings };
  }
  try {
    return { raw: JSON.parse(text), folder, warnings: [] };
  } catch (error) {
    throw bad(`${name} is not JSON: ${error.message}.`);
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

/** Every place in a recipe that names a model, a tokenizer or a source of samples: [reference, put back]. */
export function references(recipe) {
  const found = [];
  const of = (owner, field) => typeof owner?.[field] === "string" && found.push([owner[field], (text) => (owner[field] = text)]);
  of(recipe.base, "model");
  for (const expert of recipe.experts ?? []) of(expert, "model");
  for (const task of recipe.tasks ?? []) of(task, "source");
  of(recipe, "tokenizer_source");
  of(recipe.tokenizer, "source");
  return found;
}

export const isLocal = (reference) => /^(\.{1,2})?\//.test(reference) || reference === "." || reference === "..";
