/** Which merge of a recipe is written. */
import { LabError } from "../lib/error.ts";
import { isMethod } from "../methods/fields.ts";
import type { MergeRun } from "../methods/runs.ts";
import type { Recipe } from "../recipe/schema.ts";

/** A recipe whose work is data-free merges of folders: nothing in it is scored. */
export function mergesFolders(recipe: Recipe): boolean {
  return recipe.tasks.length === 0;
}

/** `export`, or the first that stands there. */
export function exportedRun(recipe: Recipe): MergeRun {
  const runs = [...recipe.runs, ...recipe.compare];
  const run = recipe.export === null ? runs[0] : runs.find(({ id }) => id === recipe.export);
  if (!mergesFolders(recipe)) throw new LabError("bad-recipe", "This recipe has tasks, so its models are scored: start it as a run. Merges of folders have none.");
  if (!run || !isMethod(run.method)) throw new LabError("bad-recipe", `${recipe.export ?? "The recipe"} is no data-free merge; name one with export.`);
  return run as MergeRun;
}
