/** `murmuration score MODEL --tasks RECIPE`: one more model beside a recipe's base and experts, scored on its tasks; nothing is merged. */
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { Plain } from "../house.mjs";
import { exitCodes } from "./arguments.mjs";
import { interruptible } from "./interrupt.mjs";
import { mount } from "./mounts.mjs";
import { progress } from "./progress.mjs";
import { ask, here, isLocal, readRecipe } from "./recipe.mjs";
import { openSession } from "./session.mjs";

/** @param {ReturnType<typeof import("./arguments.mjs").parseArguments>} asked */
export async function run(asked) {
  const started = performance.now();
  const { raw, folder } = await readRecipe(asked.tasks);
  // What the recipe would search or compare is left out; its experts bring the heads.
  const recipe = { ...(await ask(raw, asked)), runs: [], compare: [], export: null };
  const mounts = mount(recipe, folder, here);
  const id = enter(recipe, asked.what, mounts);

  const stop = interruptible("Interrupted.");
  const bar = progress(asked);
  const opening = [];
  try {
    opening.push(openSession({ mounts }));
    const session = await stop.race(opening[0]);
    stop.cancelWith(session.cancel);
    const report = await stop.race(session.run({ recipe, options: { backend: asked.backend, storage: "cli" }, only: [id] }, bar.hear));
    return { ok: true, model: asked.what, scores: report.scores[id], wallMs: Math.round(performance.now() - started) };
  } finally {
    bar.close();
    stop.deaf();
    for (const session of opening) void session.then((open) => open.close(), () => undefined);
  }
}

/** Adds the model to the recipe unless it is there already; answers its id. */
function enter(recipe, what, mounts) {
  if (what === recipe.base.model) return "base";
  const known = recipe.experts.find((expert) => expert.model === what);
  if (known) return known.id;
  let id = "model";
  for (let n = 2; recipe.experts.some((expert) => expert.id === id); n++) id = `model-${n}`;
  const added = { base: { model: folderOf(what) } };
  const [mounted] = mount(added, here, here);
  if (mounted) mounts.set(...mounted);
  recipe.experts.push({ id, model: added.base.model, parameters: { weight: 1 } });
  return id;
}

/** A folder that merge wrote holds one model a head; they share the body that is scored, so the first will do. */
function folderOf(what) {
  // A bare name that is a folder here is meant as one.
  const given = !isLocal(what) && !what.startsWith("zoo/") && existsSync(path.resolve(here, what)) ? `./${what}` : what;
  const place = path.resolve(here, given);
  if (!isLocal(given)) return given;
  if (!existsSync(place)) throw new Plain(`There is no ${what} (looked for ${place}).`, exitCodes.cannotRead);
  if (!existsSync(path.join(place, "report.json"))) return given.replace(/\/+$/, "");
  const heads = readdirSync(place).filter((name) => existsSync(path.join(place, name, "onnx", "model.onnx")));
  return heads.length > 0 ? `${given.replace(/\/+$/, "")}/${heads.sort()[0]}` : given;
}
