/** `murmuration verify REPORT`: the search is told a report's scores, every candidate is scored here again, and the two are compared. */
import { readFileSync, statSync } from "node:fs";
import path from "node:path";
import { Plain, say } from "../house.mjs";
import { app } from "./app.mjs";
import { exitCodes } from "./arguments.mjs";
import { interruptible } from "./interrupt.mjs";
import { mount } from "./mounts.mjs";
import { progress } from "./progress.mjs";
import { ask, askReport, here } from "./recipe.mjs";
import { openSession } from "./session.mjs";

/** @param {ReturnType<typeof import("./arguments.mjs").parseArguments>} asked */
export async function run(asked) {
  const started = performance.now();
  const { raw, folder } = readReport(asked.what);
  const shared = await askReport(raw);
  const recipe = await ask(raw.recipe);
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
    return await conclude(shared, report, asked, started);
  } finally {
    bar.close();
    stop.deaf();
    for (const session of opening) void session.then((open) => open.close(), () => undefined);
  }
}

async function conclude(shared, local, asked, started) {
  const { verdictOn } = await app();
  const evaluations = shared.runs.reduce((sum, run) => sum + run.trace.length, 0);
  const verdict = verdictOn(local.verification ?? [], evaluations);
  const runs = shared.runs.map(({ id, digest }) => ({ id, digest, same: local.runs.find((run) => run.id === id)?.digest === digest }));
  const strayed = runs.find(({ same }) => !same);
  const ok = verdict.status !== "mismatch" && !strayed;
  if (!asked.quiet || !ok) {
    say(verdict.sentence);
    say(strayed ? `${strayed.id} took another path here than the report's: its digest differs.` : "Every search took the report's path.");
  }
  return { ok, report: asked.what, status: verdict.status, evaluations, differing: local.verification ?? [], runs, wallMs: Math.round(performance.now() - started) };
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
  return { raw: report, folder: path.dirname(file) };
}
