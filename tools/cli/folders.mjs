/**
 * `merge` of a recipe without tasks: folders of safetensors, merged tensor by tensor. The page reads the files as if they were dropped
 * there and writes into its own file system, which lies in a profile beside DIR: what it wrote is moved from there, not sent.
 */
import { createHash } from "node:crypto";
import { existsSync, rmSync, statfsSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { freemem } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Plain, say } from "../house.mjs";
import { app } from "./app.mjs";
import { exitCodes } from "./arguments.mjs";
import { ResultFolder } from "./folder.mjs";
import { interruptible } from "./interrupt.mjs";
import { mount } from "./mounts.mjs";
import { megabytes, progress } from "./progress.mjs";
import { push, pushOrder } from "./push.mjs";
import { here } from "./recipe.mjs";
import { openSession } from "./session.mjs";
import { take } from "./take.mjs";

const hashBytes = 4 << 20;
/** For a browser to close. */
const patienceMs = 5_000;
/** Chromium and a page, before any model. */
const idleBytes = 400e6;
/** What may belong to a model; the rest of a folder is not handed to the page. */
const ofModel = /\.(safetensors|json|jinja|model|txt|bin)$/;

/** @param {import("../../src/recipe/schema.ts").Recipe} recipe @param {ReturnType<typeof import("./arguments.mjs").parseArguments>} asked */
export async function mergeFolders(recipe, recipeFolder, asked, started) {
  const { exportedRun } = await app();
  const to = pushOrder(asked);
  const run = exportedRun(recipe);
  const left = [...recipe.runs, ...recipe.compare].filter(({ id }) => id !== run.id);
  if (left.length > 0 && !asked.quiet) say(`${run.id} is merged; ${left.map(({ id }) => id).join(", ")} ${left.length > 1 ? "are" : "is"} not: export names the one that is.`);
  const out = asked.out === undefined ? here : path.resolve(here, asked.out);
  const input = structuredClone(recipe);
  const mounts = mount(input, recipeFolder, out);
  for (const [reference, mounted] of mounts) mounts.set(reference, { ...mounted, files: mounted.files.filter((file) => ofModel.test(file.path)) });
  if (asked.dryRun) return dryRun(input, mounts, out, asked);

  const result = new ResultFolder(out, asked);
  const pushed = (report) => push(to, out, [...report.files.map((file) => file.path), "report.json"], asked);
  const before = result.finished(input);
  if (before) return { ...answer(before, out, started), ...(await pushed(before)) };
  const profile = path.join(path.dirname(result.beside), `.${result.name}.partial-profile-${process.pid}`);
  const stop = interruptible("Interrupted. Nothing was written.");
  const bar = progress(asked);
  const opening = [];
  result.prepare();
  try {
    opening.push(openSession({ mounts, into: result.beside, profile, handed: true }));
    const session = await stop.race(opening[0]);
    stop.cancelWith(session.cancel);
    const { report, files } = await stop.race(session.folders({ recipe: input, options: { backend: asked.backend, storage: "cli" } }, bar.hear));
    const missing = take(profile, files, result.beside, session.lent);
    if (missing.length > 0) await stop.race(session.send(missing.map((file) => file.path)));
    const told = await stop.race(finish(result, report, files));
    result.finish();
    return { ...answer(told, out, started), ...(await pushed(told)) };
  } catch (error) {
    result.abandon();
    throw error instanceof Plain ? error : new Plain(`The merge failed: ${error?.message ?? error}`, exitCodes.failed);
  } finally {
    bar.close();
    stop.deaf();
    // Waited for: the browser still writes into its profile while it closes, and an interrupted process ends at once.
    const closed = opening.map((session) => session.then((open) => open.close(), () => undefined));
    await Promise.race([Promise.all(closed), sleep(patienceMs, null, { ref: false })]);
    rmSync(profile, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Words beside the model, digests of everything, the report last. */
async function finish(result, report, files) {
  const { digestOfWeights, folderCard, mergekitProblem, toMergekitYaml } = await app();
  const [run] = report.runs;
  const merge = [...report.recipe.runs, ...report.recipe.compare].find(({ id }) => id === run.id);
  const digested = [];
  for (const { path: name, bytes } of files) {
    const place = path.join(result.beside, name);
    if (statSync(place, { throwIfNoEntry: false })?.size !== bytes) throw new Plain(`${name} did not come out of the browser whole. Try again.`, exitCodes.failed);
    digested.push({ path: name, bytes, sha256: await sha256(place) });
  }
  const whole = { ...report, runs: [{ ...run, digest: await digestOfWeights(digested) }] };
  const yaml = mergekitProblem(merge) === null ? toMergekitYaml(report.recipe, merge) : null;
  const words = { "README.md": folderCard(whole, yaml), "recipe.json": `${JSON.stringify(report.recipe, null, 2)}\n`, ...(yaml === null ? {} : { "mergekit_config.yml": yaml }) };
  for (const [name, text] of Object.entries(words)) {
    result.write(name, text);
    digested.push({ path: name, bytes: Buffer.byteLength(text), sha256: createHash("sha256").update(text).digest("hex") });
  }
  const told = { ...whole, files: digested.sort((a, b) => (a.path < b.path ? -1 : 1)) };
  result.write("report.json", `${JSON.stringify(told, null, 2)}\n`);
  return told;
}

/** Into one buffer over and over: a stream would leave gigabytes to the garbage collector. */
async function sha256(file) {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafeSlow(hashBytes);
  const handle = await open(file);
  try {
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await handle.close();
  }
}

function answer(report, out, started) {
  const [run] = report.runs;
  return {
    ok: true, report: path.relative(here, path.join(out, "report.json")), export: run.id, scores: {}, digests: { [run.id]: run.digest },
    warnings: report.warnings.length, files: report.files.length, wallMs: Math.round(performance.now() - started),
  };
}

async function dryRun(recipe, mounts, out, asked) {
  const session = await openSession({ mounts, handed: true });
  let plan;
  try {
    plan = await session.plan({ recipe, options: { backend: asked.backend, storage: "cli" } });
  } finally {
    await session.close();
  }
  const { readBytes, writeBytes, downloadBytes } = plan;
  const memoryBytes = idleBytes + plan.memoryBytes;
  const room = roomAt(out);
  const fits = memoryBytes < freemem() * 0.9 && writeBytes < room;
  if (!asked.quiet) {
    for (const { message } of plan.warnings) say(message);
    say(`${plan.run}: ${plan.method} of ${plan.tensors} tensors, ${plan.parameters.toLocaleString("en")} parameters.`);
    say(`${megabytes(readBytes)} to read, ${megabytes(downloadBytes)} of them to download; ${megabytes(writeBytes)} to write; about ${megabytes(memoryBytes)} of memory at most.`);
    if (fits) say("It fits.");
    else say(writeBytes < room ? `It does not fit: ${megabytes(freemem())} of memory are free. Close other programs.` : `It does not fit: ${megabytes(room)} are free where ${out} would lie. Name another place with --out.`);
  }
  return { ok: true, dryRun: true, fits, run: plan.run, method: plan.method, tensors: plan.tensors, parameters: plan.parameters, readBytes, writeBytes, downloadBytes, memoryBytes };
}

/** Bytes free on the disk that a folder would lie on. */
function roomAt(folder) {
  let there = folder;
  while (!existsSync(there)) there = path.dirname(there);
  const { bavail, bsize } = statfsSync(there);
  return bavail * bsize;
}
