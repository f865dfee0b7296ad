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

/** Applies `--set` and `--seed` to the JSON as written. */
export function change(raw, { set = [], seed = null } = {}) {
  const changed = structuredClone(raw);
  for (const { path: steps, value } of set) assign(changed, steps, value);
  if (seed !== null) assign(changed, ["seeds", "search"], seed);
  return changed;
}

function assign(whole, steps, value) {
  const said = steps.join(".");
  let at = whole;
  steps.forEach((step, depth) => {
    const last = depth === steps.length - 1;
    if (typeof at !== "object" || at === null) throw bad(`--set ${said}: ${steps.slice(0, depth).join(".")} is a single value, there is nothing in it to set.`);
    if (["__proto__", "constructor", "prototype"].includes(step)) throw bad(`--set ${said}: ${step} is no name of a recipe.`);
    let name = step;
    if (Array.isArray(at)) {
      const index = /^\d+$/.test(step) ? Number(step) : at.findIndex((entry) => entry?.id === step);
      if (index < 0 || index >= at.length) {
        const ids = at.map((entry, i) => entry?.id ?? i).join(", ");
        throw bad(`--set ${said}: there is no ${steps.slice(0, depth + 1).join(".")}. There is: ${ids || "nothing"}.`);
      }
      name = index;
    }
    if (last) at[name] = value;
    else at = at[name] ??= {};
  });
}

/** The parsed recipe; a bad one is told in the schema's own words. */
export async function check(raw) {
  const { parseRecipe, isLabError } = await app();
  try {
    return parseRecipe(raw);
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
