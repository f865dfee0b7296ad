/** The site: its own lab, the recipes that come with it, and the recorded run of the first view. */
import { createLab, type RecipeInput } from "./index.ts";
import { registerServiceWorker } from "./sw/register.ts";
import { mountApp } from "./ui/mount.ts";

const found = import.meta.glob<RecipeInput>("../recipes/*.json", { eager: true, import: "default" });
const idOf = (path: string) => path.replace(/^.*\/|\.json$/g, "");
/** The short run of a family first: it is what Merge does. */
const presets = Object.entries(found)
  .map(([path, recipe]) => ({ id: idOf(path), recipe }))
  .sort((a, b) => a.id.length - b.id.length);

/** Families whose run was recorded for the first view (tools/screenshots.mjs). */
const recorded = ["glyphs", "words", "riddles"];
const recordings = Object.fromEntries(recorded.map((family) => [family, new URL(`recorded/${family}.json`, document.baseURI).href]));

const target = document.getElementById("app");
if (target) {
  const app = mountApp(target, { lab: createLab(), presets, recordings });
  void registerServiceWorker({ busy: () => app.busy, gpu: () => app.device?.runtime === "webgpu" });
}
