/** What no single field can know: names that must differ, names that must exist, numbers that make no sense together. */
import { KINDS } from "../fitness/tasks/kinds.ts";
import { metricOf } from "../fitness/metrics/table.ts";
import { isSearch, planOf } from "../search/searches.ts";
import { mergeOf, runOf } from "../search/starts.ts";
import { figure, list, suggestion } from "../lib/words.ts";
import { checkFolderMerge, checkMerge, checkVocabulary } from "./checkMerge.ts";
import type { Recipe, RecipeComparison, RecipeRun } from "./schema.ts";

const MOST_EVALUATIONS = 100_000;

export function crossCheck(recipe: Recipe, problems: string[]): void {
  checkNames(recipe, problems);
  checkExperts(recipe, problems);
  if (recipe.tasks.length > 0 && recipe.tasks.every((task) => task.weight === 0)) problems.push("The weights of all tasks are 0, so their mean says nothing; leave one weight out.");
  recipe.tasks.forEach((_, i) => checkTask(recipe, i, problems));
  recipe.runs.forEach((run, i) => checkRun(recipe, run, `runs.${i}`, problems));
  recipe.compare.forEach((run, i) => checkRun(recipe, run, `compare.${i}`, problems));
  const written = [...recipe.runs, ...recipe.compare].map((run) => run.id);
  if (recipe.export !== null && !written.includes(recipe.export)) {
    problems.push(`export names ${recipe.export}, which is no run and no comparison${suggestion(recipe.export, written)}`);
  }
  checkVocabulary(recipe, problems);
  if (recipe.tasks.length === 0) return checkFolderMerge(recipe, problems);
  if (recipe.out_dtype === "auto") problems.push("out_dtype is auto, which is for merges without tasks; write float32, float16 or bfloat16.");
  if (recipe.dtype !== undefined) problems.push("dtype is for merges without tasks; what is scored is computed in float32 and rounded to out_dtype.");
  if (recipe.runs.length > 0 && recipe.tasks.every((task) => size(task.optimise) === 0) && recipe.runs.some(isSearch)) {
    problems.push("No task has samples to optimise on, so a search has nothing to climb; give optimise a count above 0.");
  }
}

/** Models share one namespace in the report; tasks have their own, where "mean" is taken. */
function checkNames(recipe: Recipe, problems: string[]): void {
  const models = new Map<string, string>([["base", "the base"]]);
  const claim = (seen: Map<string, string>, name: string, path: string) => {
    const holder = seen.get(name);
    if (holder === undefined) seen.set(name, path);
    else problems.push(`${path}.id is ${name}, which ${holder === "the base" || holder === "the mean over tasks" ? `stands for ${holder}` : `${holder} has already`}; choose another.`);
  };
  recipe.experts.forEach((expert, i) => claim(models, expert.id, `experts.${i}`));
  recipe.runs.forEach((run, i) => claim(models, run.id, `runs.${i}`));
  recipe.compare.forEach((run, i) => claim(models, run.id, `compare.${i}`));
  const tasks = new Map<string, string>([["mean", "the mean over tasks"]]);
  recipe.tasks.forEach((task, i) => claim(tasks, task.id, `tasks.${i}`));
}

function checkExperts(recipe: Recipe, problems: string[]): void {
  const seen = new Map<string, string>();
  recipe.experts.forEach(({ id, model }, i) => {
    const other = seen.get(model);
    if (other === undefined) seen.set(model, id);
    else problems.push(`experts.${i}.model is ${model}, which is the expert ${other} already; give one of them a larger weight instead.`);
  });
}

function checkTask(recipe: Recipe, i: number, problems: string[]): void {
  const task = recipe.tasks[i];
  if (task === undefined) return;
  const heads = recipe.experts.map((expert) => expert.id);
  if (task.head !== undefined && task.head !== "base" && !heads.includes(task.head)) {
    problems.push(`tasks.${i}.head names ${task.head}, which is no expert${suggestion(task.head, heads)}`);
  }
  if (task.kind !== undefined && task.metric !== undefined && !KINDS[task.kind].metrics.includes(task.metric)) {
    problems.push(`tasks.${i}.metric is ${task.metric}, which does not measure ${task.kind}; there are ${list(KINDS[task.kind].metrics)}.`);
  }
  if (task.few_shot_by !== undefined && typeof task.few_shot === "object") problems.push(`tasks.${i}.few_shot_by belongs to a number of examples, but few_shot lists them; leave it out.`);
  const told = task.measure ?? recipe.fitness.measure;
  if (told === "log_likelihood" && task.kind === "code") {
    problems.push(`tasks.${i} is measured by log_likelihood, but code is right when its tests pass, however likely it is; set tasks.${i}.measure to metric.`);
  }
  if (told === "log_likelihood" && metricOf(task).labels === "numbers") {
    problems.push(`tasks.${i} is measured by log_likelihood, but ${task.metric ?? "its metric"} scores numbers, which have none; set tasks.${i}.measure to metric.`);
  }
  const side = new Map<string, string>();
  for (const name of ["test", "validate", "optimise"] as const) {
    const ids = task[name];
    if (typeof ids === "number") continue;
    for (const sample of ids) {
      const other = side.get(sample);
      if (other === undefined) side.set(sample, name);
      else problems.push(`tasks.${i}.${name} has sample ${sample} ${other === name ? "twice" : `that ${other} has too`}; a sample stands on one side, once.`);
      if (problems.length > 30) return;
    }
  }
}

export function checkRun(recipe: Recipe, run: RecipeRun | RecipeComparison, path: string, problems: string[]): void {
  const experts = recipe.experts.map((expert) => expert.id);
  const weighted = (parameters: { weights?: Record<string, number> | undefined; normalize?: unknown }, at: string, divides: boolean) => {
    for (const name of Object.keys(parameters.weights ?? {})) {
      if (!experts.includes(name)) problems.push(`${at}.weights names ${name}, which is no expert${suggestion(name, experts)}`);
    }
    const weights = recipe.experts.map(({ id, parameters: own }) => parameters.weights?.[id] ?? own.weight);
    if (weights.some((weight) => typeof weight !== "number")) return; // they vary over tensors: each sum is looked at when it is known
    const sum = weights.reduce<number>((total, weight) => total + Number(weight), 0);
    if (divides && parameters.normalize !== false && Math.abs(sum) < 1e-8) {
      problems.push(`${at} divides by the sum of weights, which is 0; change a weight or set normalize to false.`);
    }
  };
  if (run.method !== "pso_merging" && run.method !== "random") {
    weighted(run, path, run.method === "linear" && run.models === undefined && run.slices === undefined);
    checkMerge(recipe, run, path, problems);
  }
  if (run.method === "random" && run.low >= run.high) {
    problems.push(`${path}.low must be below ${path}.high, which is ${run.high}.`);
  }
  if (run.method === "pso_merging") {
    if (run.random === "element" && run.swarm === "subspace") {
      problems.push(`${path}.random is element, but a random number per element leaves the span of the starting points, which is all that a subspace swarm can hold; set ${path}.swarm to resident, or random to scalar or tensor.`);
    }
    const { evaluations } = planOf(run, recipe);
    if (evaluations > MOST_EVALUATIONS) {
      problems.push(`${path} asks for ${figure(evaluations)} evaluations, (steps + 1) for each particle; at most ${figure(MOST_EVALUATIONS)} are allowed, so lower steps or start from fewer points.`);
    }
    run.start.forEach((start, i) => {
      const merge = mergeOf(start);
      if (merge === null) return;
      weighted(merge, `${path}.start.${i}`, merge.method === "linear" && merge.models === undefined);
      checkMerge(recipe, runOf(merge), `${path}.start.${i}`, problems);
    });
  }
}

function size(samples: number | readonly string[]): number {
  return typeof samples === "number" ? samples : samples.length;
}
