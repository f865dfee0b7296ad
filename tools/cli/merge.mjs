/** `murmuration merge RECIPE --out DIR`: a recipe in, a model with its report out. */
import path from "node:path";
import { Plain } from "../house.mjs";
import { exitCodes } from "./arguments.mjs";
import { ResultFolder } from "./folder.mjs";
import { interruptible } from "./interrupt.mjs";
import { mount } from "./mounts.mjs";
import { progress } from "./progress.mjs";
import { change, check, here, readRecipe } from "./recipe.mjs";
import { openSession, sha256 } from "./session.mjs";

/** @param {ReturnType<typeof import("./arguments.mjs").parseArguments>} asked */
export async function run(asked) {
  const started = performance.now();
  const { raw, folder: recipeFolder } = readRecipe(asked.what);
  const wanted = change(raw, asked);
  const recipe = await check(wanted);
  if (asked.dryRun) return (await import("./dry-run.mjs")).dryRun(recipe, recipeFolder, asked);

  const out = path.resolve(here, asked.out);
  const result = new ResultFolder(out, asked);
  const input = structuredClone(recipe);
  const mounts = mount(input, recipeFolder, out);
  const rows = result.journal(input);

  const bar = progress(asked);
  let session;
  result.begin(input, rows);
  try {
    session = await openSession({ mounts, into: result.beside });
    const done = new Set(rows.map(keyOf));
    const report = await interruptible(session, () =>
      session.run({ recipe: input, options: { backend: asked.backend, storage: "cli" }, journal: { rows } }, (event) => {
        bar.hear(event);
        if (event.type !== "scored" || done.has(keyOf(event))) return;
        done.add(keyOf(event));
        const { type: _, ...row } = event;
        result.append(row);
      }),
    );
    await interruptible(session, () => session.files(exportOf(report)));
    const written = writeReport(result, report);
    bar.close();
    result.finish();
    return {
      ok: true,
      report: path.relative(here, path.join(out, "report.json")) || "report.json",
      export: exportOf(report),
      scores: means(report),
      digest: Object.fromEntries(report.runs.map((run) => [run.id, run.digest])),
      files: written.length,
      wallMs: Math.round(performance.now() - started),
    };
  } catch (error) {
    bar.close();
    result.abandon();
    throw error instanceof Plain ? error : new Plain(`The run failed: ${error?.message ?? error}`, exitCodes.failed);
  } finally {
    await session?.close();
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
