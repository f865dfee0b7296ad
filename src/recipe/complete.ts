/** The short form written long, and the defaults that depend on the rest of the recipe. */
import type { Draft, Recipe } from "./schema.ts";
import { methodSpec } from "../methods/fields.ts";
import { isInert, type MergeRun, parameterOf } from "../methods/runs.ts";
import { mergeOf, rescalingOf, runOf } from "../search/starts.ts";
import { show } from "../lib/words.ts";
import { spellOutTask } from "./tasks.ts";

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

export const NO_BASE = "base is missing: it must have model, the model that all experts were fine-tuned from.";

/** Where something is scored there is a base; a merge without tasks may do without. */
export function lacksBase(written: unknown): boolean {
  if (typeof written !== "object" || written === null) return false;
  const { base, tasks } = written as { base?: unknown; tasks?: unknown };
  return base === undefined && !(tasks === undefined || (Array.isArray(tasks) && tasks.length === 0));
}

/** Null, with a problem, where what is missing does not follow from the rest. */
export function spellOut(draft: Draft, problems: string[]): Recipe | null {
  const [first] = draft.experts;
  if (lacksBase(draft)) {
    problems.push(NO_BASE);
    return null;
  }
  const baseless = draft.base === undefined;
  // Whose config and tokenizer the result has, where there is no base.
  const base = draft.base ?? { model: first?.model ?? "" };
  const tasks = draft.tasks.map((task, i) => spellOutTask(task, `tasks.${i}`, problems));
  if (tasks.includes(null)) return null;
  const recipe: Recipe = { ...draft, base, tasks: tasks.filter((task) => task !== null) };
  const merge = <R extends MergeRun>(run: R): R => ({ ...spellOutMerge(run), ...(baseless && run.base_model === undefined ? { base_model: null } : {}) });
  const runs = recipe.runs.map((run) => {
    if (run.method === "pso_merging") return { ...run, start: run.start.map((start) => longStart(start)) };
    return run.method === "random" ? run : merge(run);
  });
  return { ...recipe, runs, compare: recipe.compare.map(merge), export: recipe.export ?? runs[0]?.id ?? recipe.compare[0]?.id ?? null };
}

/** A merge whose rules that follow from `semantics` are written down. */
export function spellOutMerge<R extends MergeRun>(run: R): R {
  return { ...run, ...rulesOf(run) };
}

/** `semantics` spelt out: how dropped elements are made up for, where the largest are counted, who elects signs. */
function rulesOf(run: MergeRun): Record<string, string | boolean> {
  const { whole } = methodSpec(run.method);
  const said = (name: string) => parameterOf(run, name) !== undefined;
  const [paper, peft] = [run.semantics === "paper", run.semantics === "peft"];
  return {
    ...("rescaling" in whole && !isInert(run.method, "rescaling") && !said("rescaling") ? { rescaling: paper || peft ? "inverse" : "l1" } : {}),
    // TIES trims over the whole flattened model; breadcrumbs, like mergekit and PEFT, in each tensor.
    ...("scope" in whole && !said("scope") ? { scope: paper && run.method === "ties" ? "model" : "tensor" } : {}),
    ...("election" in whole && !said("election") ? { election: peft ? "unweighted" : "weighted" } : {}),
    // mergekit adds up what agrees, PEFT averages it, as ties does everywhere.
    ...(run.method === "dare_ties" && !said("normalize") ? { normalize: peft } : {}),
  };
}

type Start = Extract<Recipe["runs"][number], { method: "pso_merging" }>["start"][number];

function longStart(start: Start): Start {
  if (start === "sparsified_experts") return longStart({ sparsified_experts: { method: "dare", density: 0.2 } });
  if (typeof start === "object" && "sparsified_experts" in start) {
    return { sparsified_experts: { ...start.sparsified_experts, rescaling: rescalingOf(start.sparsified_experts) } };
  }
  const merge = mergeOf(start);
  return merge === null ? start : { ...merge, ...rulesOf(runOf(merge)) };
}
