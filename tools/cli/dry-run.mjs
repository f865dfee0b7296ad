/**
 * `merge --dry-run`: does it fit, what would it cost. Only sizes are read: a family's family.json, a folder's listing; of models on the Hub
 * configurations and headers, which also tell whether they can be merged.
 * The time is a guess from milliseconds a picture, or a token, takes a million parameters on two cores; the rest is counted.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { freemem } from "node:os";
import { ensureBuilt } from "../build.mjs";
import { Plain, say } from "../house.mjs";
import { app } from "./app.mjs";
import { exitCodes } from "./arguments.mjs";
import { mount } from "./mounts.mjs";
import { duration, megabytes } from "./progress.mjs";
import { here, isLocal, references } from "./recipe.mjs";
import { openSession } from "./session.mjs";

/** Chromium, a page and the runtime, before any model. */
const idleBytes = 600e6;
const msAPictureAMillionParameters = 1.2;
const msATokenAMillionParameters = 0.1;
/** Of a sample whose text is not here to be looked at. */
const usualTokens = 64;
const charactersAToken = 4;

/** @param {import("../../src/recipe/schema.ts").Recipe} recipe */
export async function dryRun(recipe, recipeFolder, asked) {
  const sizes = onTheHub(recipe) ? await lookAt(recipe, recipeFolder, asked) : await sizesOf(recipe, recipeFolder);
  const { planOf } = await app();
  const plans = [...recipe.runs, ...recipe.compare].map((run) => ({ id: run.id, resident: run.swarm === "resident", ...planOf(run, recipe) }));
  const optimise = total(recipe.tasks.map((task) => count(task.optimise)));
  const validate = total(recipe.tasks.map((task) => count(task.validate)));
  const test = total(recipe.tasks.map((task) => count(task.test)));
  const models = 1 + recipe.experts.length + plans.length;
  const inferences = total(plans.map(({ evaluations }) => evaluations)) * optimise + plans.filter(({ evaluations }) => evaluations > 1).length * 5 * validate + models * (test + optimise);
  const particles = Math.max(0, ...plans.filter(({ resident }) => resident).map((run) => run.particles));
  // Subspace: base, task vectors and one slot. Resident: position, velocity and best a particle more.
  const copies = recipe.experts.length + 2.25 + 3 * particles;
  const gpuBytes = Math.round(particles === 0 && sizes.gpuBytes ? sizes.gpuBytes : copies * sizes.modelBytes);
  const memoryBytes = Math.round(idleBytes + gpuBytes + sizes.downloadBytes);
  const fits = memoryBytes < freemem() * 0.9;
  const seconds = Math.round((inferences * sizes.msASampleAMillionParameters * sizes.modelBytes) / 4e6 / 1000) + 4;

  if (!asked.quiet) {
    for (const run of plans) say(`${run.id}: ${run.evaluations} evaluation${run.evaluations === 1 ? "" : "s"} of ${optimise} samples.`);
    say(`${inferences.toLocaleString("en")} inferences in all, about ${duration(seconds)} on two cores without a GPU.`);
    say(`${megabytes(sizes.readBytes)} to read, ${megabytes(sizes.downloadBytes)} of them to download; ${megabytes(gpuBytes)} for weights, about ${megabytes(memoryBytes)} of memory in all.`);
    say(fits ? "It fits." : `It does not fit: ${megabytes(freemem())} of memory are free. ${particles ? 'Set swarm to "subspace"' : "Take fewer experts"}, or close other programs.`);
  }
  return { ok: true, dryRun: true, fits, downloadBytes: sizes.downloadBytes, readBytes: sizes.readBytes, gpuBytes, memoryBytes, inferences, seconds, runs: plans.map(({ id, evaluations }) => ({ id, evaluations })) };
}

const onTheHub = ({ base, experts }) => [base.model, ...experts.map(({ model }) => model)].some((reference) => !isLocal(reference) && !reference.startsWith("zoo/"));

/** By the app's own look, which the page shows before anything large is downloaded. */
async function lookAt(recipe, recipeFolder, asked) {
  const copy = structuredClone(recipe);
  const session = await openSession({ mounts: mount(copy, recipeFolder, here) });
  try {
    const found = await session.look({ recipe: copy, options: { storage: "cli" } });
    const unreadable = found.models.find(({ error }) => error);
    if (unreadable) throw new Plain(unreadable.error.message, exitCodes.cannotRead);
    const problem = found.problems[0];
    if (found.fits === false) throw new Plain(problem?.message ?? "These models cannot be merged.", exitCodes.cannotMerge);
    if (!asked.quiet) {
      for (const { ref, licence, bytes, parameters } of found.models) say(`${ref}: ${parameters ? `${(parameters / 1e6).toFixed(1)} million weights, ` : ""}${megabytes(bytes)}, licence ${licence ?? "unknown"}.`);
      for (const note of found.notes) say(note);
    }
    const parameters = Math.max(0, ...found.models.map((model) => model.parameters ?? model.bytes / 4));
    // What its tasks are about is only known once they are read; texts are what most models on the Hub are for.
    return { readBytes: found.downloadBytes + found.cachedBytes, msASampleAMillionParameters: usualTokens * msATokenAMillionParameters, downloadBytes: found.downloadBytes, modelBytes: 4 * parameters, gpuBytes: found.memoryBytes?.f32 };
  } finally {
    await session.close();
  }
}

async function sizesOf(recipe, recipeFolder) {
  const site = await ensureBuilt();
  const copy = structuredClone(recipe);
  const mounts = mount(copy, recipeFolder, here);
  let readBytes = 0;
  let modelBytes = 0;
  const models = new Set([copy.base.model, ...copy.experts.map(({ model }) => model)]);
  for (const reference of new Set(references(copy).map(([text]) => text))) {
    const zoo = /^zoo\/([^/]+)\/([^/]+)$/.exec(reference);
    const mounted = mounts.get(reference);
    if (!mounted && !zoo) throw new Plain(`${reference} is neither in the zoo nor a folder here.`, exitCodes.cannotRead);
    const files = mounted ? mounted.files : familyFiles(site, zoo[1], zoo[2]);
    readBytes += total(files.map((file) => file.bytes));
    if (!models.has(reference)) continue;
    // Weights are kept as f32; bundled ones lie as f16.
    const weights = total(files.filter((file) => /\.onnx(_data\w*)?$/.test(file.path)).map((file) => file.bytes));
    modelBytes = Math.max(modelBytes, weights * (zoo ? 2 : 1));
  }
  return { readBytes, downloadBytes: 0, modelBytes, msASampleAMillionParameters: Math.max(...copy.tasks.map((task) => msASample(task, mounts, site))) };
}

/** By the length of its texts; pictures come as one sprite. A folder's own, or those beside a bundled model. */
function msASample({ source }, mounts, site) {
  const [, family, name] = /^zoo\/([^/]+)\/([^/]+)$/.exec(source) ?? [];
  const folder = mounts.get(source)?.folder ?? path.join(site, "zoo", family ?? "", name ?? "");
  const files = (mounts.get(source)?.files ?? familyFiles(site, family, name)).map((file) => file.path);
  if (files.some((file) => /\.(png|jpe?g|webp)$/i.test(file))) return msAPictureAMillionParameters;
  const texts = files.find((file) => /\.(jsonl|csv|tsv)$/i.test(file));
  if (!texts) return usualTokens * msATokenAMillionParameters;
  const lines = readFileSync(mounts.has(source) ? path.join(folder, texts) : path.join(site, "zoo", family, texts), "utf8").split("\n").filter(Boolean);
  return (total(lines.map((line) => line.length)) / Math.max(1, lines.length) / charactersAToken) * msATokenAMillionParameters;
}

/** A model's files and its samples lie in one folder of the family. */
function familyFiles(site, family, name) {
  let known;
  try {
    known = JSON.parse(readFileSync(path.join(site, "zoo", family, "family.json"), "utf8"));
  } catch {
    throw new Plain(`There is no family ${family} in the zoo.`, exitCodes.cannotRead);
  }
  const files = Object.entries(known.files ?? {})
    .filter(([file]) => file.startsWith(`${name}/`))
    .map(([file, { bytes }]) => ({ path: file, bytes }));
  if (files.length === 0) throw new Plain(`The family ${family} has no ${name}.`, exitCodes.cannotRead);
  return files;
}

const count = (samples) => (typeof samples === "number" ? samples : samples.length);
const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
