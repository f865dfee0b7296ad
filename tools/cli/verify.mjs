/** `murmuration verify REPORT`: the search is told a report's scores, every candidate is scored here again, and the two are compared. */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { Plain, say } from "../house.mjs";
import { exitCodes } from "./arguments.mjs";
import { interruptible } from "./interrupt.mjs";
import { mount } from "./mounts.mjs";
import { progress } from "./progress.mjs";
import { check, here } from "./recipe.mjs";
import { openSession } from "./session.mjs";

/** @param {ReturnType<typeof import("./arguments.mjs").parseArguments>} asked */
export async function run(asked) {
  const started = performance.now();
  const { report: shared, folder } = readReport(asked.what);
  const recipe = await check(shared.recipe);
  const mounts = mount(recipe, folder, folder);
  const rows = shared.runs.flatMap((run) => run.trace.map((row) => ({ run: run.id, ...row })));

  const stop = interruptible("Interrupted.");
  const bar = progress(asked);
  const opening = [];
  try {
    opening.push(openSession({ mounts }));
    const session = await stop.race(opening[0]);
    stop.cancelWith(session.cancel);
    const job = { recipe, options: { backend: asked.backend, storage: "cli" }, journal: { rows }, mode: "verify", only: [] };
    const report = await stop.race(session.run(job, bar.hear));
    bar.close();
    return conclude(shared, report, asked, started);
  } finally {
    bar.close();
    stop.deaf();
    for (const session of opening) void session.then((open) => open.close(), () => undefined);
  }
}

function conclude(shared, local, asked, started) {
  const found = local.verification ?? [];
  const mismatches = found.filter((entry) => entry.kind === "mismatch");
  const flips = found.filter((entry) => entry.kind === "flip");
  const runs = shared.runs.map((run) => {
    const here = local.runs.find(({ id }) => id === run.id);
    return { id: run.id, digest: run.digest, same: here?.digest === run.digest };
  });
  const ok = mismatches.length === 0 && runs.every(({ same }) => same);
  const evaluations = shared.runs.reduce((sum, run) => sum + run.trace.length, 0);
  if (!asked.quiet) {
    say(`${evaluations} evaluations scored again: ${mismatches.length} mismatched, ${flips.length} flipped on samples whose margin is under 1e-4.`);
    for (const { id, same } of runs) say(same ? `${id}: the search took the same path.` : `${id}: the search took another path than the report's.`);
  }
  if (!ok) say(`This report could not be repeated here. First: ${mismatches[0] ? JSON.stringify(mismatches[0]) : `the digest of ${runs.find(({ same }) => !same)?.id}`}.`);
  return { ok, report: asked.what, evaluations, mismatches: mismatches.length, flips: flips.length, runs, wallMs: Math.round(performance.now() - started) };
}

function readReport(what) {
  const given = path.resolve(here, what);
  const file = statSync(given, { throwIfNoEntry: false })?.isDirectory() ? path.join(given, "report.json") : given;
  let report;
  try {
    report = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error.code === "ENOENT" ? "is not there" : `could not be read (${error.message})`;
    throw new Plain(`${what} ${why}. Name a report.json that merge wrote, or its folder.`, exitCodes.badRecipe);
  }
  if (!Array.isArray(report?.runs) || report.runs.some((run) => !Array.isArray(run?.trace)) || typeof report.recipe !== "object")
    throw new Plain(`${what} is no report: it needs recipe and runs, each with its trace.`, exitCodes.badRecipe);
  return { report, folder: path.dirname(file) };
}
