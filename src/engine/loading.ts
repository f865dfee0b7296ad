/** From a recipe to loaded models, one space and the samples of every task. Nothing touches the GPU yet. */
import type { Alignment } from "../checkpoint/types.ts";
import { drawSamples, rowsFor } from "../fitness/draw.ts";
import { pixelValues } from "../fitness/images.ts";
import type { PictureSet, SampleSet, TextTask } from "../fitness/types.ts";
import { loadTextTask } from "../fitness/tasks/load.ts";
import { LabError } from "../lib/error.ts";
import type { Recipe } from "../recipe/schema.ts";
import { align } from "../space/align/align.ts";
import { compareVocabularies } from "./vocabularies.ts";
import type { LabEvent, ModelCard, TaskCard } from "../threads/events.ts";
import type { HubProgress, HubService, LoadedModel, LoadedPictures, LoadedSamples } from "../threads/hub.ts";

export type Side = "optimise" | "validate" | "test";
export type RecipeTask = Recipe["tasks"][number];

export interface LoadedTask {
  readonly recipe: RecipeTask;
  readonly id: string;
  /** Model whose head scores it. */
  readonly head: string;
  readonly labels: readonly string[];
  /** How it is asked, where it is about texts. */
  readonly texts: TextTask | null;
  readonly sides: Readonly<Record<Side, SampleSet>>;
}

/** Experts that are adapters on the base and change its shared tensors by factors only: rank a segment. */
export type LowRankExperts = ReadonlyMap<string, readonly number[]>;

export interface Loaded {
  readonly recipe: Recipe;
  /** Base first, then experts in the recipe's order. */
  readonly models: readonly { readonly id: string; readonly model: LoadedModel }[];
  readonly alignment: Alignment;
  readonly tasks: readonly LoadedTask[];
  readonly batch: number;
  readonly cards: { readonly models: ModelCard[]; readonly tasks: TaskCard[] };
  readonly downloadBytes: number;
  readonly lowRank: LowRankExperts;
}

/** What of the hub the merge thread uses. Methods may answer over a port. */
export type Hub = { [K in "model" | "tensor" | "factors" | "checkpoint" | "stored" | "samples" | "file" | "release"]: (...args: Parameters<HubService[K]>) => Promise<Awaited<ReturnType<HubService[K]>>> };

export async function load(recipe: Recipe, hub: Hub, emit: (event: LabEvent) => void, progress: (report: HubProgress) => HubProgress): Promise<Loaded> {
  const onProgress = progress((event) => emit({ type: "loading", ...event }));
  const asked = [{ id: "base", ref: recipe.base.model }, ...recipe.experts.map((expert) => ({ id: expert.id, ref: expert.model }))];
  // The base first: experts without a graph of their own borrow its.
  const first = await hub.model(recipe.base.model, onProgress);
  const models = await Promise.all(asked.map(async ({ id, ref }, i) => ({ id, model: i === 0 ? first : await hub.model(ref, onProgress, recipe.base.model) })));
  const base = models[0].model;
  const alignment = align(
    models.map(({ id, model }) => ({ id, skeleton: model.skeleton, config: model.config })),
    { baseId: "base", names: models.find(({ model }) => model.names)?.model.names ?? null },
  );
  const sources = await Promise.all(recipe.tasks.map((task) => hub.samples(task.source, onProgress, rowsFor(task), recipe.seeds.samples)));
  const said = new Set<string>(); // a full disk is one piece of news, not one a file
  for (const warning of [...models.map(({ model }) => model), ...sources].flatMap(({ warnings }) => warnings ?? [])) {
    if (!said.has(warning.code)) emit({ type: "warning", ...warning });
    said.add(warning.code);
  }
  for (const { model } of models) for (const note of model.notes ?? []) emit({ type: "warning", code: "borrowed-graph", message: note });
  models.forEach(({ id, model }, index) => checkDigests(id, model, index === 0 ? recipe.base.sha256 : recipe.experts[index - 1].sha256));
  if (sources.some(({ kind }) => kind === "rows")) await compareVocabularies(models, hub, emit);
  const tasks = recipe.tasks.map((task, index) => loadTask(recipe, task, sources[index], models, alignment, emit));
  return {
    recipe: { ...recipe, tasks: tasks.map((task) => task.recipe) },
    models,
    alignment,
    tasks,
    batch: recipe.batch ?? batchFor(tasks, base.batch ?? 32),
    lowRank: lowRankOf(models, alignment),
    cards: { models: modelCards(recipe, models, alignment), tasks: tasks.map(taskCard) },
    downloadBytes: [...models.map(({ model }) => model.downloadBytes), ...sources.map((source) => source.downloadBytes)].reduce((a, b) => a + b, 0),
  };
}

function lowRankOf(models: Loaded["models"], { segments }: Alignment): LowRankExperts {
  const found = new Map<string, number[]>();
  for (const { id, model } of models.slice(1)) {
    const ranks = model.ranks && segments.map(({ weight }) => model.ranks?.[weight[id]] ?? -1);
    if (ranks && !ranks.includes(-1)) found.set(id, ranks);
  }
  return found;
}

/** The family's batch; fewer where a candidate is scored on fewer samples in all, so that small recipes score no padding. Never 1. */
function batchFor(tasks: readonly LoadedTask[], most: number): number {
  const scored = tasks.reduce((sum, { sides }) => sum + sides.optimise.count, 0);
  return scored === 0 ? most : Math.max(2, Math.min(most, scored));
}

/** A recipe that says which files it was made with is held to them. */
function checkDigests(id: string, model: LoadedModel, wanted: Record<string, string> | undefined): void {
  for (const [path, sha256] of Object.entries(wanted ?? {})) {
    const file = model.files.find((one) => one.path === path);
    if (file?.sha256 === sha256) continue;
    const got = file ? `is ${file.sha256?.slice(0, 12) ?? "not digested"}…` : "is not there";
    throw new LabError("digest-mismatch", `${path} of ${id} (${model.ref}) ${got}, but the recipe was made with ${sha256.slice(0, 12)}…. Take the same file, or leave sha256 out of the recipe.`);
  }
}

function loadTask(recipe: Recipe, task: RecipeTask, source: LoadedSamples, models: Loaded["models"], alignment: Alignment, emit: (event: LabEvent) => void): LoadedTask {
  const head = task.head ?? "base";
  const model = models.find(({ id }) => id === head)?.model;
  if (!model) throw new LabError("bad-recipe", `Task ${task.id} names the head ${head}, which is neither the base nor an expert.`);
  if (task.head === undefined && alignment.heads.length > 0) {
    throw new LabError("bad-recipe", `Task ${task.id} names no head, but these models keep heads of their own (${alignment.heads.map((h) => h.name).join(", ")}). Add "head": one of ${models.map((m) => m.id).join(", ")}.`);
  }
  if (source.kind === "rows") {
    const { warnings, ...loaded } = loadTextTask(task, source, recipe.seeds.samples, model.config?.labels ?? null);
    for (const warning of warnings) emit({ type: "warning", ...warning });
    return { ...loaded, id: task.id, head };
  }
  return loadPictures(recipe, task, head, source, model);
}

function loadPictures(recipe: Recipe, task: RecipeTask, head: string, source: LoadedPictures, model: LoadedModel): LoadedTask {
  if (!model.preprocessor) {
    throw new LabError("bad-samples", `${model.ref} has no preprocessor_config.json, so the images of task ${task.id} cannot be fed to it.`);
  }
  const preprocessor = model.preprocessor;
  const labels = model.config?.labels ?? source.labels;
  const labelOf = labelMap(task.id, source.labels, labels);
  const drawn = drawSamples(task, source, recipe.seeds.samples);
  const pixelsPerSample = source.width * source.height * source.channels;
  const side = (name: Side): PictureSet => {
    const { from, indices } = drawn[name];
    const bytes = new Uint8Array(indices.length * pixelsPerSample);
    indices.forEach((index, at) => {
      bytes.set(from.pixels.subarray(index * pixelsPerSample, (index + 1) * pixelsPerSample), at * pixelsPerSample);
    });
    return {
      kind: "pictures",
      ids: indices.map((index) => from.id[index]),
      labels: Int32Array.from(indices, (index) => labelOf[from.label[index]]),
      clusters: clustersOf(from.cluster, indices),
      pixels: pixelValues(bytes, indices.length, source, preprocessor),
      count: indices.length,
    };
  };
  return { recipe: task, id: task.id, head, labels, texts: null, sides: { optimise: side("optimise"), validate: side("validate"), test: side("test") } };
}

/** Null where every sample is a source of its own: then they are independent, and simpler intervals hold. */
function clustersOf(clusters: readonly string[] | null, indices: readonly number[]): string[] | null {
  const own = clusters && indices.map((index) => clusters[index]);
  return own && new Set(own).size < own.length ? own : null;
}

/** Sample label → class of the head, by name; a head that only says LABEL_0, LABEL_1 … is taken in order. */
function labelMap(task: string, from: readonly string[], to: readonly string[]): number[] {
  const byName = from.map((label) => to.indexOf(label));
  if (!byName.includes(-1)) return byName;
  const anonymous = to.every((label, index) => label === `LABEL_${index}`);
  if (anonymous && to.length === from.length) return from.map((_, index) => index);
  const missing = from.filter((_, index) => byName[index] === -1);
  throw new LabError("bad-samples", `Task ${task} has labels its head does not know: ${missing.slice(0, 3).join(", ")}. The head knows ${to.slice(0, 5).join(", ")}…`);
}

function modelCards(recipe: Recipe, models: Loaded["models"], alignment: Alignment): ModelCard[] {
  return models.map(({ id, model }, index) => ({
    id,
    role: index === 0 ? "base" : "expert",
    title: model.title || id,
    summary: model.summary,
    icon: model.icon,
    model: index === 0 ? recipe.base.model : recipe.experts[index - 1].model,
    parameters: alignment.space.length + alignment.heads.reduce((sum, head) => sum + (head.of[id]?.shape.reduce((a, b) => a * b, 1) ?? 0), 0),
    labels: model.config?.labels ? [...model.config.labels] : null,
  }));
}

function taskCard(task: LoadedTask): TaskCard {
  return {
    id: task.id,
    title: task.id,
    head: task.head,
    labels: [...task.labels],
    metric: task.recipe.metric ?? "accuracy",
    optimise: task.sides.optimise.count,
    validate: task.sides.validate.count,
    test: task.sides.test.count,
  };
}
