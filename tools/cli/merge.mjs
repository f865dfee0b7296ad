/** `murmuration merge RECIPE --out DIR`: a recipe in, a model with its report out. */
import path from "node:path";
import { Plain, say } from "../house.mjs";
import { app } from "./app.mjs";
import { exitCodes } from "./arguments.mjs";
import { ResultFolder } from "./folder.mjs";
import { interruptible } from "./interrupt.mjs";
import { mount } from "./mounts.mjs";
import { progress } from "./progress.mjs";
import { ask, here, readRecipe } from "./recipe.mjs";
import { push, pushOrder } from "./push.mjs";
import { openSession, sha256 } from "./session.mjs";

/** @param {ReturnType<typeof import("./arguments.mjs").parseArguments>} asked */
export async function run(asked) {
  const started = performance.now();
  const to = pushOrder(asked);
  const { raw, folder: recipeFolder, warnings } = await readRecipe(asked.what);
  if (!asked.quiet) for (const { message } of warnings) say(message);
  const recipe = await ask(raw, asked);
  if ((await app()).mergesFolders(recipe)) return (await import("./folders.mjs")).mergeFolders(recipe, recipeFolder, asked, started);
  if (asked.dryRun) return (await import("./dry-run.mjs")).dryRun(recipe, recipeFolder, asked);

  const out = path.resolve(here, asked.out);
  const result = new ResultFolder(out, asked);
  const input = structuredClone(recipe);
  const mounts = mount(input, recipeFolder, out);
  const rows = result.journal(input);

  const stop = interruptible("Interrupted. What was scored is in trace.jsonl: the same command with --resume goes on from there.");
  const bar = progress(asked);
  const opening = [];
  result.begin(input, rows);
  try {
    opening.push(openSession({ mounts, into: result.beside }));
    const session = await stop.race(opening[0]);
    stop.cancelWith(session.cancel);
    const seen = new Set(rows.map(keyOf));
    const report = await stop.race(
      session.run({ recipe: input, options: { backend: asked.backend, storage: "cli" }, journal: { rows } }, (event) => {
        bar.hear(event);
        if (event.type !== "scored" || event.replayed || seen.has(keyOf(event))) return;
        seen.add(keyOf(event));
        const { type: _, ...row } = event;
        result.append(row);
      }),
    );
    await stop.race(session.files(exportOf(report), asked.safetensors));
    await writeWords(result, report);
    const written = writeReport(result, report);
    result.finish();
    const pushed = await push(to, out, [...written.map((file) => file.path), "report.json"].filter((file) => file !== "trace.jsonl"), asked);
    return {
      ok: true,
      report: path.relative(here, path.join(out, "report.json")),
      export: exportOf(report),
      scores: means(report),
      digests: Object.fromEntries(report.runs.map((run) => [run.id, run.digest])),
      files: written.length,
      ...pushed,
      wallMs: Math.round(performance.now() - started),
    };
  } catch (error) {
    result.abandon();
    throw error instanceof Plain ? error : new Plain(`The run failed: ${error?.message ?? error}`, exitCodes.failed);
  } finally {
    bar.close();
    stop.deaf();
    for (const session of opening) void session.then((open) => open.close(), () => undefined);
  }
}

const keyOf = (row) => `${row.run} ${row.evaluation}`;

function exportOf(report) {
  return report.recipe.export ?? report.runs[0]?.id ?? null;
}

/** The mean over tasks of every model: on test where there is one, else on what was searched. */
export function means(report) {
  const of = (score) => score?.mean?.test ?? score?.mean?.optimise ?? null;
  return Object.fromEntries(Object.entries(report.scores).map(([id, score]) => [id, of(score)]));
}

/** What is for people and for mergekit, unless the lab wrote it already. */
async function writeWords(result, report) {
  const { mergekitConfig, modelCard, resultSentence } = await app();
  const id = exportOf(report);
  if (id === null) return;
  if (!result.has("README.md")) result.write("README.md", modelCard(report, id, resultSentence(report).text));
  const config = mergekitConfig(report, id);
  if (config !== null && !result.has("mergekit_config.yml")) result.write("mergekit_config.yml", config);
}

/** report.json knows every file that lies beside it; it is written last. */
function writeReport(result, report) {
  if (!result.has("recipe.json")) result.write("recipe.json", `${JSON.stringify(report.recipe, null, 2)}\n`);
  const files = result
    .list()
    .filter((file) => file !== "report.json")
    .map((file) => {
      const bytes = result.read(file);
      return { path: file, bytes: bytes.length, sha256: sha256(bytes) };
    });
  result.write("report.json", `${JSON.stringify({ ...report, files }, null, 2)}\n`);
  return files;
}
