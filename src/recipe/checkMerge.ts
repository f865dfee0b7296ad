/** What the fields of a data-free merge must say together, before any model is read. */
import { list, suggestion } from "../lib/words.ts";
import { methodSpec } from "../methods/fields.ts";
import { type MergeRun, parameterOf, tunesOf } from "../methods/runs.ts";
import { isSearch } from "../search/searches.ts";
import type { Recipe } from "./schema.ts";

export function checkMerge(recipe: Recipe, run: MergeRun, path: string, problems: string[]): void {
  const ids = ["base", ...recipe.experts.map(({ id }) => id)];
  const known = (id: string, at: string) => {
    if (!ids.includes(id)) problems.push(`${at} names ${id}, which is no expert${suggestion(id, ids)}`);
  };
  if (run.models !== undefined && run.slices !== undefined) problems.push(`${path} has models and slices; the sources of slices say which models are merged, so leave models out.`);
  twice(run.models ?? [], `${path}.models`, problems);
  run.models?.forEach((id, i) => known(id, `${path}.models.${i}`));
  if (run.base_model != null) known(run.base_model, `${path}.base_model`);
  run.slices?.forEach((slice, i) => {
    const at = `${path}.slices.${i}`;
    if (slice.base_model != null) known(slice.base_model, `${at}.base_model`);
    slice.sources.forEach((source, j) => known(source.model, `${at}.sources.${j}.model`));
    twice(slice.sources.map(({ model }) => model), `${at}.sources`, problems);
    const lengths = new Set(slice.sources.map(({ layer_range: [first, end] }) => end - first));
    if (lengths.size > 1) problems.push(`${at} takes ${list([...lengths].map(String))} layers from its sources; it must take equally many from each.`);
  });
  if (recipe.tasks.length > 0 && run.slices !== undefined) problems.push(`${path} has slices, which make another graph than the one that is scored; they are for merges without tasks.`);
  checkTunes(run, path, problems);
  checkCount(recipe, run, path, problems);
  checkRequired(run, path, problems);
}

/** Inputs of each slice, or of the whole: as many as the method takes, the base among them where it needs one. */
function checkCount(recipe: Recipe, run: MergeRun, path: string, problems: string[]): void {
  const { base: wants, models: { min, max } } = methodSpec(run.method);
  const groups = run.slices?.map((slice, i) => ({ at: `${path}.slices.${i}`, ids: slice.sources.map(({ model }) => model), base: slice.base_model === undefined ? run.base_model : slice.base_model }))
    ?? [{ at: path, ids: inputsOf(recipe, run), base: run.base_model }];
  for (const { at, ids, base: named } of groups) {
    const base = named === undefined ? "base" : named;
    if (wants === "required" && base === null) problems.push(`${at} is ${run.method}, which needs a base; give the recipe a base.`);
    else if (wants !== "none" && base !== null && run.slices !== undefined && !ids.includes(base) && (wants === "required" || run.base_model != null)) {
      problems.push(`${at} has no source from ${base === "base" ? "the base" : base}, and ${run.method} starts from it; add its layers to the sources.`);
    }
    const others = wants === "none" ? ids.length : ids.filter((id) => id !== base).length;
    if (others >= min && (max === null || others <= max)) continue;
    const takes = min === max ? `exactly ${min}` : others < min ? `at least ${min}` : `at most ${max}`;
    problems.push(`${at} merges ${others} ${others === 1 ? "model" : "models"}${wants === "none" ? "" : " beside the base"}, but ${run.method} takes ${takes}.`);
  }
}

/** Ids of the models a run without slices merges; the base last where the method starts from it and it is not named. */
export function inputsOf(recipe: Pick<Recipe, "experts">, run: Pick<MergeRun, "method" | "models" | "base_model">): string[] {
  const base = run.base_model === undefined ? "base" : run.base_model;
  const ids = [...(run.models ?? recipe.experts.map(({ id }) => id))];
  return methodSpec(run.method).base !== "none" && base !== null && !ids.includes(base) ? [...ids, base] : ids;
}

function checkRequired(run: MergeRun, path: string, problems: string[]): void {
  for (const [name, { required }] of Object.entries(methodSpec(run.method).whole)) {
    if (!required || parameterOf(run, name) !== undefined) continue;
    if (run.slices !== undefined && run.slices.every((slice) => slice.parameters?.[name] !== undefined)) continue;
    problems.push(`${path} has no ${name}, which ${run.method} needs.`);
  }
}

/** One number at most is tuned, over an interval that goes up. */
function checkTunes(run: MergeRun, path: string, problems: string[]): void {
  const open = tunesOf(run);
  if (open.length > 1) problems.push(`${path} leaves ${list(open.map(({ name }) => name))} to be tuned; give all but one of them a number.`);
  for (const { name, tune: { tune: [low, high] } } of open) {
    if (low >= high) problems.push(`${path}.${name}.tune must be [low, high] with low below high, not [${low},${high}].`);
  }
}

export function checkFolderMerge(recipe: Recipe, problems: string[]): void {
  const runs = [...recipe.runs.map((run, i) => ({ run, path: `runs.${i}` })), ...recipe.compare.map((run, i) => ({ run, path: `compare.${i}` }))];
  if (runs.length === 0) problems.push("There are no tasks and no runs, so there is nothing to do; add a run.");
  const search = runs.find(({ run }) => isSearch(run));
  if (search !== undefined) problems.push(`${search.path} is a search, which needs tasks to climb; add tasks, or choose a data-free method with all its numbers given.`);
}

export function checkVocabulary(recipe: Recipe, problems: string[]): void {
  const { tokenizer, tokenizer_source, experts, tasks } = recipe;
  if (tokenizer !== undefined && tokenizer_source !== undefined) problems.push("tokenizer and tokenizer_source stand side by side; keep one of them.");
  const ids = ["base", ...experts.map(({ id }) => id)];
  const known = (id: string, at: string) => {
    if (!ids.includes(id)) problems.push(`${at} names ${id}, which is no expert${suggestion(id, ids)}`);
  };
  const source = tokenizer?.source ?? tokenizer_source;
  if (source !== undefined && source !== "union" && !/[/]/.test(source)) known(source, tokenizer === undefined ? "tokenizer_source" : "tokenizer.source");
  for (const [token, { source: from }] of Object.entries(tokenizer?.tokens ?? {})) {
    if (typeof from === "string") known(from, `tokenizer.tokens.${token}.source`);
    else if (from.kind === "model_token") known(from.model, `tokenizer.tokens.${token}.source.model`);
  }
  if (tasks.length > 0 && (source !== undefined || recipe.chat_template !== undefined)) {
    problems.push(`${recipe.chat_template !== undefined ? "chat_template" : tokenizer === undefined ? "tokenizer_source" : "tokenizer"} is for merges without tasks so far; leave it out.`);
  }
}

function twice(ids: readonly string[], at: string, problems: string[]): void {
  const again = ids.find((id, i) => ids.indexOf(id) !== i);
  if (again !== undefined) problems.push(`${at} names ${again} twice.`);
}
