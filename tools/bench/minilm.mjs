/**
 * A model of full size from a Hub, three experts of 90 MB: what was downloaded before is loaded, aligned and merged, and the first candidate
 * scored. Measured where `MINILM` names the folder that tools/zoo/minilm/build.sh wrote; said otherwise.
 */
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { say } from "../house.mjs";
import { openHub } from "../hub/open.mjs";

const tasks = { spam: 22, era: 21, names: 21 };

export async function minilm(browser, url) {
  const folder = process.env.MINILM;
  if (!folder) {
    say("minilm is left out: build the family (tools/zoo/minilm/build.sh DIR) and set MINILM=DIR.");
    return [];
  }
  const dir = mkdtempSync(path.join(tmpdir(), "murmuration-bench-"));
  symlinkSync(path.resolve(folder), path.join(dir, "minilm"));
  const hub = await openHub({ dir });
  try {
    const recipe = {
      murmuration: 1,
      base: { model: "minilm/base" },
      experts: Object.keys(tasks).map((id) => ({ id, model: `minilm/${id}` })),
      tasks: Object.entries(tasks).map(([id, optimise]) => ({ id, head: id, source: `minilm/${id}`, optimise, test: 0 })),
      runs: [{ id: "pso", method: "pso_merging", steps: 1, start: ["base", "experts"] }],
    };
    const context = await browser.newContext();
    /** Seconds from nothing but a page to the first candidate's score. */
    const first = async () => {
      const page = await context.newPage();
      const scored = new Promise((resolve) => page.exposeFunction("murmurationEvent", (json) => JSON.parse(json).type === "scored" && resolve(performance.now())));
      await page.goto(`${url}headless.html`);
      await page.waitForFunction("window.headless");
      const begin = performance.now();
      const run = page.evaluate((job) => window.headless.run(job), { recipe, options: { storage: "bench-minilm", hub: hub.url, viewer: hub.viewer } });
      const failed = run.then((answer) => answer.ok || Promise.reject(new Error(answer.message)), () => undefined);
      const at = await Promise.race([scored, failed.then(() => scored)]);
      await page.close();
      return (at - begin) / 1000;
    };
    const cold = await first();
    const requests = hub.log.length;
    const warm = await first();
    await context.close();
    const details = { coldS: cold, samples: Object.values(tasks).reduce((a, b) => a + b), requestsWhenCached: hub.log.length - requests };
    return [{ name: "MiniLM-L6 and three experts: cached → first candidate scored", value: warm, unit: "s", goal: { atMost: 10 }, details }];
  } finally {
    await hub.close();
    rmSync(dir, { recursive: true, force: true });
  }
}
