/** Real faults in a real browser: the run goes on, with the same bests and the same counts, and says what happened. */
import { beforeAll, describe, expect, test } from "vitest";
import type { Report } from "../../src/index.ts";
import { course, options, recipe, run } from "./headless.ts";
import { ownBrowser, site, visit } from "./site.ts";

const asked = recipe({ steps: 4 }, { optimise: 60, test: 20 });
let whole: Report;

test("this browser has a WebGPU adapter, and says that it is software where it is", async () => {
  const { page } = await visit((await site()).url + "headless.html");
  const adapter = await page.evaluate(async () => {
    const found = await navigator.gpu?.requestAdapter();
    return found ? { vendor: found.info.vendor, architecture: found.info.architecture, fallback: found.info.isFallbackAdapter } : null;
  });
  console.log(`WebGPU adapter: ${JSON.stringify(adapter)}`);
  expect(adapter, "Without WebGPU these tests prove nothing: start Chromium with --enable-unsafe-webgpu.").not.toBeNull();
});

beforeAll(async () => {
  const served = await site();
  const { page, requests } = await visit(`${served.url}headless.html`);
  ({ report: whole } = await run(page, { recipe: asked, options: options() }));
  expect(whole.device).toMatchObject({ kernels: "webgpu", isFallback: expect.any(Boolean) });
  // Everything comes from the site itself: pages, workers, runtime, models.
  expect(requests.filter((address) => !address.startsWith(new URL(served.url).origin) && !/^(blob|data):/.test(address))).toEqual([]);
  expect(requests.some((address) => address.endsWith(".wasm"))).toBe(true);
});

describe("the GPU process dies", () => {
  test.for([1, 2] as const)("%i× in mid-run: no best and no count changes", async (times) => {
    const browser = await ownBrowser();
    const { page } = await visit(`${(await site()).url}headless.html`, { browser });
    const devtools = await browser.newBrowserCDPSession();
    let crashes = 0;
    const crash = () => {
      crashes += 1;
      void devtools.send("Browser.crashGpuProcess").catch(() => undefined); // the answer dies with the process
    };
    const { report, events } = await run(page, { recipe: asked, options: options() }, (event) => {
      if (event.type === "scored" && event.evaluation === 8 && crashes === 0) crash();
      if (event.type === "scored" && event.evaluation === 18 && crashes === 1 && times === 2) crash();
    });
    expect(crashes).toBe(times);
    expect(events.filter(({ type }) => type === "recovered").length).toBeGreaterThanOrEqual(1);
    expect(course(report)).toEqual(course(whole));
    if (times === 2) expect(report.device).toMatchObject({ kernels: "cpu", runtime: "wasm" });
  });
});

test("a merge thread that hangs is started again and goes on after its last evaluation", async () => {
  const { page } = await visit(`${(await site()).url}headless.html`);
  let hung = false;
  const { report, events } = await run(page, { recipe: asked, options: options({ watchdogMs: 8000 }) }, (event) => {
    if (event.type !== "scored" || event.evaluation !== 6 || hung) return;
    hung = true;
    const worker = page.workers().find((one) => one.url().includes("merge"));
    // A loop that never ends, in the thread itself: its timers are blocked too, as by a runtime that hangs.
    void worker?.evaluate("for (;;);").catch(() => undefined);
  });
  expect(hung).toBe(true);
  expect(events.filter((event) => event.type === "recovered").map(({ what }) => what)).toEqual(["worker"]);
  expect(course(report)).toEqual(course(whole));
});

test("without WebGPU the kernels' twins make the same run", async () => {
  const browser = await ownBrowser({ without: ["--enable-unsafe-webgpu"], args: ["--disable-features=WebGPU"] });
  const { page } = await visit(`${(await site()).url}headless.html`, { browser });
  const { report } = await run(page, { recipe: asked, options: options() });
  expect(report.device).toMatchObject({ adapter: "none", kernels: "cpu", runtime: "wasm" });
  expect(course(report)).toEqual(course(whole));
});

test("without isolation the runtime has one thread, and the same counts come out", async () => {
  const { page } = await visit(`${(await site({ isolated: false })).url}headless.html`);
  const { report } = await run(page, { recipe: asked, options: options() });
  expect(report.device.threads).toBe(1);
  expect(course(report)).toEqual(course(whole));
});

test("with the storage full models stay in memory and the run ends", async () => {
  const served = await site();
  const { page, context } = await visit(`${served.url}headless.html`);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Storage.overrideQuotaForOrigin", { origin: new URL(served.url).origin, quotaSize: 1000 });
  const { report, events } = await run(page, { recipe: asked, options: options() });
  expect(course(report)).toEqual(course(whole));
  expect(events.filter((event) => event.type === "warning").map((event) => event.code)).toContain("cache-quota");
});

test("NaN in an expert marks what touches it as diverged; the rest goes on", async () => {
  // The journal stands in for a candidate that diverged: it must never become a best.
  const { page } = await visit(`${(await site()).url}headless.html`);
  const rows = whole.runs[0]?.trace.map((row) => ({ ...row, run: "pso" })).slice(0, 7) ?? [];
  const journal = { rows: rows.map((row) => (row.globalBest && row.evaluation > 0 ? { ...row, fitness: null, tasks: {}, diverged: true as const } : row)) };
  const { report } = await run(page, { recipe: asked, options: options(), journal });
  for (const row of report.runs[0]?.trace ?? []) if (row.fitness === null) expect(row).toMatchObject({ globalBest: false, personalBest: false, diverged: true });
  expect(report.runs[0]?.best).not.toBeNull();
});
