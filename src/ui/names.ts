/** What a run or comparison of a recipe is called on the page. */
import type { Recipe } from "../index.ts";

type Entry = Recipe["runs"][number] | Recipe["compare"][number];

export function nameOfRun(recipe: Recipe | null, id: string): string {
  if (id === "base") return "base";
  const entry: Entry | undefined = recipe ? [...recipe.runs, ...recipe.compare].find((one) => one.id === id) : undefined;
  switch (entry?.method) {
    case "linear":
      return entry.weights === undefined ? "plain average" : "weighted average";
    case "task_arithmetic":
      return typeof entry.lambda === "number" ? `task arithmetic ${entry.lambda}` : "tuned arithmetic";
    case "random":
      return "random search";
    default:
      return id.replaceAll(/[-_]/g, " ");
  }
}
