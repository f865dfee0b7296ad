/** The app's own code in Node: recipes are checked by the same lines of source that the page runs. */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { sourceDigest } from "../build.mjs";
import { at, cache, root } from "../house.mjs";

let loaded = null;

/** @returns {Promise<typeof import("./door.ts")>} */
export function app() {
  loaded ??= bundle();
  return loaded;
}

async function bundle() {
  const digest = sourceDigest(["src/recipe", "src/lib", "src/checkpoint", "src/methods", "src/search", "src/export", "src/streaming", "src/fitness", "src/threads", "src/hub", "src/space", "tools/cli/door.ts", "package-lock.json"]);
  const folder = path.join(cache, "door");
  const file = path.join(folder, `${digest.slice(0, 16)}.mjs`);
  if (!existsSync(file)) {
    const { build } = await import("vite");
    mkdirSync(folder, { recursive: true });
    const beside = path.join(folder, `${process.pid}`);
    await build({
      root,
      configFile: false,
      logLevel: "error",
      ssr: { noExternal: true },
      build: { ssr: at("tools/cli/door.ts"), outDir: beside, rolldownOptions: { output: { entryFileNames: "door.mjs", codeSplitting: false } } },
    });
    renameSync(path.join(beside, "door.mjs"), file);
  }
  return import(pathToFileURL(file).href);
}
