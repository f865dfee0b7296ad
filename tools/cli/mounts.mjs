/** Local folders of a recipe (`./experts/a`), listed once and served to the page by the command line's own server. */
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { Plain } from "../house.mjs";
import { exitCodes } from "./arguments.mjs";
import { isLocal, references } from "./recipe.mjs";

const deepest = 4;
const most = 5_000;

/**
 * Rewrites a recipe's local references from "relative to the recipe" to "relative to where the results go", so that the
 * recipe and report written there can be run and verified there.
 * @returns {Map<string, { folder: string, files: { path: string, bytes: number }[] }>} by rewritten reference
 */
export function mount(recipe, recipeFolder, resultFolder) {
  const mounts = new Map();
  for (const [reference, put] of references(recipe)) {
    const parts = partsOf(reference, recipeFolder).map((part) => {
      if (!isLocal(part)) return part;
      const place = path.resolve(recipeFolder, part);
      const listed = listPlace(part, place);
      const relative = path.relative(resultFolder, place).split(path.sep).join("/");
      const rewritten = path.isAbsolute(part) ? part : relative.startsWith(".") ? relative : `./${relative}`;
      mounts.set(rewritten, listed);
      return rewritten;
    });
    put(parts.join("+"));
  }
  return mounts;
}

/** A model and, behind a +, the adapter on it; a folder may have a + in its own name. */
function partsOf(reference, recipeFolder) {
  const plus = reference.lastIndexOf("+");
  if (plus < 0 || (isLocal(reference) && existsSync(path.resolve(recipeFolder, reference)))) return [reference];
  const [model, adapter] = [reference.slice(0, plus), reference.slice(plus + 1)];
  return adapter.includes("/") ? [...partsOf(model, recipeFolder), adapter] : [reference];
}

function listPlace(reference, place) {
  const found = statSync(place, { throwIfNoEntry: false });
  if (!found) throw new Plain(`There is no ${reference} (looked for ${place}). Paths in a recipe are relative to it.`, exitCodes.cannotRead);
  if (found.isFile()) {
    // A file brings what lies beside it: external data, config, preprocessor.
    const folder = path.dirname(place);
    const name = path.basename(place);
    const beside = listFolder(folder, 0).filter((file) => file.path.startsWith(name) || /^(config|preprocessor_config)\.json$/.test(file.path));
    return { folder, files: beside.sort((a, b) => Number(b.path === name) - Number(a.path === name)) };
  }
  const files = listFolder(place, deepest);
  if (files.length === 0) throw new Plain(`${reference} is an empty folder: a model needs config.json and onnx/model.onnx.`, exitCodes.cannotRead);
  return { folder: place, files };
}

function listFolder(folder, depth, under = "", files = []) {
  let entries;
  try {
    entries = readdirSync(path.join(folder, under), { withFileTypes: true });
  } catch (error) {
    throw new Plain(`${path.join(folder, under)} could not be read (${error.code}).`, exitCodes.cannotRead);
  }
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const name = under ? `${under}/${entry.name}` : entry.name;
    if (entry.name.startsWith(".") || files.length >= most) continue;
    const found = statSync(path.join(folder, name), { throwIfNoEntry: false });
    if (found?.isDirectory() && depth > 0) listFolder(folder, depth - 1, name, files);
    else if (found?.isFile()) files.push({ path: name, bytes: found.size });
  }
  return files;
}
