/** What a run or comparison of a recipe is called on the page. */
import { METRICS, type Recipe, type TaskCard } from "../index.ts";
import { s } from "./strings.ts";

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

/** What a score of the search is: the metric all tasks share by its name. `loaded`: says it where a recipe leaves it open. */
export function measureName({ tasks, fitness }: Recipe, measure = fitness.measure, loaded: readonly TaskCard[] = []): string {
  if (measure === "log_likelihood") return s.search.measures.log_likelihood;
  const names = new Set(tasks.map(({ id, metric }) => metric ?? loaded.find((one) => one.id === id)?.metric));
  const [only] = names;
  return (names.size === 1 && only !== undefined ? METRICS[only]?.title.toLowerCase() : undefined) ?? s.search.measures.metric;
}
