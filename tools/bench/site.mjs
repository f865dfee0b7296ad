/** Figures of the built site as a visitor meets it: first paint, scripts, a whole run of the default recipe, memory of a swarm. */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { at } from "../house.mjs";

const recipe = (name) => JSON.parse(readFileSync(at("recipes", `${name}.json`), "utf8"));

/** A lab on a fresh page; answers the report and when each phase came. */
async function run(browser, url, job) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const events = [];
  await page.exposeFunction("murmurationEvent", (json) => void events.push(JSON.parse(json)));
  await page.goto(`${url}headless.html`);
  await page.waitForFunction("window.headless");
  const answer = await page.evaluate((given) => window.headless.run(given), job);
  const counts = await page.evaluate(() => window.headless.counts());
  await context.close();
  if (!answer.ok) throw new Error(answer.message);
  return { report: answer.value, events, counts: counts.value };
}

export const siteBenches = {
  /** Merge pressed → winner, on a lab that has loaded nothing yet. */
  async merge(browser, url) {
    const { report, events } = await run(browser, url, { recipe: recipe("glyphs"), options: { storage: "bench" } });
    const winner = events.find(({ type }) => type === "winner");
    const search = report.runs[0].cost;
    const { kernels, runtime, threads } = report.device;
    const details = { kernels, runtime, threads, evaluations: search.evaluations, inferences: search.inferences };
    return [
      { name: "Merge pressed → search finished and winner chosen, glyphs.json", value: winner.ms / 1000, unit: "s", goal: { atMost: 10 }, details },
      {
        name: "Merge pressed → test bars filled, glyphs.json",
        value: (report.cost.wallMs - winner.ms) / 1000,
        unit: "s after the winner",
        goal: { atMost: 20 },
        details: { wholeS: report.cost.wallMs / 1000 },
      },
      {
        name: "run time spent outside runtime calls, glyphs.json",
        value: (100 * (search.wallMs - search.runtimeMs)) / search.wallMs,
        unit: "%",
        goal: { atMost: 10 },
        details: { searchMs: search.wallMs, runtimeMs: search.runtimeMs },
      },
    ];
  },

  /** The text families: a swarm over three experts, 50 samples a task, on a lab that has loaded nothing yet. */
  async texts(browser, url) {
    const rows = [];
    for (const name of ["words", "riddles"]) {
      const whole = recipe(name);
      const experts = whole.experts.slice(0, 3);
      const tasks = whole.tasks.filter(({ id }) => experts.some((expert) => expert.id === id)).map((task) => ({ ...task, optimise: 50, test: 50 }));
      const asked = { ...whole, experts, tasks, runs: [{ id: "pso", method: "pso_merging", steps: 5 }], compare: [], export: "pso" };
      // As the lab chooses; and where that is a GPU, on the CPU beside it.
      for (const backend of ["auto", "wasm"]) {
        const { report, events } = await run(browser, url, { recipe: asked, options: { storage: `bench-${name}-${backend}`, backend } });
        const winner = events.find(({ type }) => type === "winner");
        const { runtime, threads } = report.device;
        const { evaluations, inferences, runtimeMs } = report.runs[0].cost;
        const details = { runtime, threads, evaluations, inferences, runtimeMs };
        rows.push({ name: `Merge pressed → winner, ${name}, 5 steps, 3 experts, 50 samples a task${backend === "auto" ? "" : `, ${backend}`}`, value: winner.ms / 1000, unit: "s", goal: backend === "auto" ? { atMost: 60 } : null, details });
        if (runtime === "wasm") break;
      }
    }
    return rows;
  },

  /** Bytes of the GPU buffers a whole run makes, by swarm size. Weights are bound on the GPU, where they take most. */
  async "peak-run"(browser, url) {
    const whole = recipe("glyphs");
    const four = {
      ...whole,
      experts: whole.experts.slice(0, 4),
      tasks: whole.tasks.slice(0, 4).map((task) => ({ ...task, optimise: 2, test: 2 })),
      compare: [],
    };
    const rows = [];
    for (const precision of ["f32", "f16"]) {
      for (const particles of [5, 15]) {
        const spread = Array.from({ length: particles - 5 }, (_, i) => ({ task_arithmetic: { lambda: 0.1 + i / 20 } }));
        const runs = [{ id: "pso", method: "pso_merging", steps: 1, start: ["base", "experts", ...spread] }];
        const { report, counts } = await run(browser, url, { recipe: { ...four, runs, export: "pso" }, options: { storage: "bench", precision, backend: "wasm" } });
        rows.push({
          name: `peak GPU bytes of a run, 4 experts, ${precision} directions, ${particles} particles`,
          value: report.cost.gpuBytesPeak / report.cost.modelBytes,
          unit: "× one model",
          goal: { atMost: (precision === "f32" ? 4 : 2) + 2.25 },
          details: { peakBytes: report.cost.gpuBytesPeak, modelBytes: report.cost.modelBytes, buffersAlive: counts.buffers },
        });
      }
    }
    return rows;
  },

  /** A first visit: nothing in the browser's cache, the server warm. */
  async page(browser, url) {
    const paints = [];
    let scripts = new Map();
    for (let round = 0; round < 4; round++) {
      const context = await browser.newContext({ serviceWorkers: "block" });
      const page = await context.newPage();
      scripts = new Map();
      page.on("response", (response) => {
        const { pathname } = new URL(response.url());
        // Before the runtime: what the page itself loads, not its workers, not the runtime.
        if (/\.m?js$/.test(pathname) && !/worker|\bort-/.test(pathname)) scripts.set(pathname, response.body().catch(() => Buffer.alloc(0)));
      });
      await page.goto(url, { waitUntil: "load" });
      await page.waitForFunction(() => performance.getEntriesByName("first-contentful-paint").length > 0);
      const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
      if (round > 0) paints.push(paint);
      for (const [name, body] of scripts) scripts.set(name, gzipSync(await body).length);
      await context.close();
    }
    const bytes = [...scripts.values()].reduce((sum, size) => sum + size, 0);
    return [
      { name: "first paint, warm server", value: paints.sort((a, b) => a - b)[1] / 1000, unit: "s", goal: { atMost: 1.5 }, details: { visits: paints.length } },
      { name: "page JavaScript before the runtime", value: bytes / 1000, unit: "kB gzipped", goal: { atMost: 250 }, details: { files: scripts.size } },
    ];
  },
};
