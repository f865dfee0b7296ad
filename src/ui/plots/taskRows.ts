/** Rows of "Task by task": base, own expert, average and merge on unseen samples, and whether the merge regresses. */
import type { ModelCard, Recipe, Report, TaskCard } from "../../index.ts";
import { expertOf } from "../cards.ts";
import { isBounded, meanMetric } from "../format.ts";
import type { Tested } from "../state/swarmRun.svelte.ts";

export type Role = "base" | "own" | "average" | "merge";
export const ROLES: readonly Role[] = ["base", "own", "average", "merge"];

export interface TaskRow {
  readonly id: string;
  readonly title: string;
  /** Expert whose colour the row has; null for the mean. */
  readonly head: string | null;
  /** null: a mean over tasks of different metrics. */
  readonly metric: string | null;
  readonly marks: Readonly<Partial<Record<Role, Tested>>>;
  /** Merge − own expert, where the paired interval leaves out 0 on the low side. */
  readonly regression: { readonly estimate: number; readonly interval: readonly [number, number] } | null;
}

export interface TaskSources {
  readonly tasks: readonly TaskCard[];
  readonly models: readonly ModelCard[];
  readonly tested: Readonly<Record<string, Readonly<Record<string, Tested>>>>;
  readonly recipe: Recipe | null;
  readonly mergeId: string | null;
  readonly report: Report | null;
}

export function taskRows({ tasks, models, tested, recipe, mergeId, report }: TaskSources): TaskRow[] {
  const averageId = recipe?.compare.find((c) => c.method === "linear")?.id ?? "average";
  const modelOf = (role: Role, head: string | null): string | null => (role === "base" ? "base" : role === "own" ? head : role === "average" ? averageId : mergeId);
  const experts = models.filter(({ role }) => role === "expert").map(({ id }) => id);
  const rows = tasks.map((task): TaskRow => {
    const own = expertOf(task, experts);
    const marks: Partial<Record<Role, Tested>> = {};
    for (const role of ROLES) {
      const id = modelOf(role, own);
      const found = id === null ? undefined : tested[id]?.[task.id];
      if (found) marks[role] = found;
    }
    const difference = report?.differences.find((d) => d.a === mergeId && d.b === own && d.task === task.id);
    return { id: task.id, title: models.find((m) => m.id === own)?.title ?? task.title, head: own, metric: task.metric, marks, regression: difference?.verdict === "worse" ? difference : null };
  });
  if (rows.length < 2) return rows;
  const metrics = new Set(tasks.map(({ metric }) => metric));
  const means: Partial<Record<Role, Tested>> = {};
  for (const role of ROLES) {
    const values = rows.flatMap((row) => (row.marks[role] ? [row.marks[role]] : []));
    if (values.length < rows.length) continue;
    const id = modelOf(role, null);
    const told = id === null || role === "own" ? undefined : report?.scores[id]?.mean;
    // Perplexities beside shares have a mean only as the report makes it.
    if (typeof told?.test !== "number" && metrics.size > 1 && !tasks.every(({ metric }) => isBounded(metric))) continue;
    means[role] = {
      value: told?.test ?? values.reduce((sum, v) => sum + v.value, 0) / values.length,
      n: values.reduce((sum, v) => sum + v.n, 0),
      interval: told?.interval ?? null,
    };
  }
  return [...rows, { id: "mean", title: "", head: null, metric: meanMetric(tasks.map(({ metric }) => metric)), marks: means, regression: null }];
}
