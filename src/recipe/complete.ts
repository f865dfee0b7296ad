/** The short form written long, and the defaults that depend on the rest of the recipe. */
import type { Recipe } from "./schema.ts";
import { rescalingOf } from "../search/starts.ts";
import { show } from "../lib/words.ts";

/** `method: …, parameters: {…}` in place of `runs` becomes one run; `$schema` is for editors and goes. */
export function expand(written: unknown, problems: string[]): unknown {
  if (typeof written !== "object" || written === null || Array.isArray(written)) return written;
  const { $schema: _, method, parameters, ...rest } = written as Record<string, unknown>;
  if (method === undefined) {
    if (parameters !== undefined) problems.push("parameters belongs to method, which is not there; a run's parameters stand in the run.");
    return rest;
  }
  if (rest.runs !== undefined) problems.push("method is short for one run, so it cannot stand beside runs; keep one of them.");
  if (parameters !== undefined && (typeof parameters !== "object" || parameters === null || Array.isArray(parameters))) {
    problems.push(`parameters must be an object, not ${show(parameters)}.`);
    return rest;
  }
  return { ...rest, runs: [{ ...(parameters as Record<string, unknown> | undefined), method }] };
}

export function spellOut(recipe: Recipe): Recipe {
  const runs = recipe.runs.map((run) => {
    if (run.method === "pso_merging") return { ...run, start: run.start.map((start) => longStart(start)) };
    return run;
  });
  return { ...recipe, runs, export: recipe.export ?? runs[0]?.id ?? recipe.compare[0]?.id ?? null };
}

type Start = Extract<Recipe["runs"][number], { method: "pso_merging" }>["start"][number];

function longStart(start: Start): Start {
  if (start === "sparsified_experts") return longStart({ sparsified_experts: { method: "dare", density: 0.2 } });
  if (start === "linear") return { method: "linear", normalize: true };
  if (start === "task_arithmetic") return { method: "task_arithmetic", lambda: 0.3, normalize: false };
  if (typeof start === "object" && "sparsified_experts" in start) {
    return { sparsified_experts: { ...start.sparsified_experts, rescaling: rescalingOf(start.sparsified_experts) } };
  }
  return start;
}
