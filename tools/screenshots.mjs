/**
 * Pictures of the page for docs/screens, on the built site with the real lab: the first family at 1440 and 390 wide, mid-run and after, light and
 * dark; every other family after a run; models of one's own from a Hub on this machine. `--record` also writes public/recorded/<family>.json,
 * the run that a first view replays. `--only` takes some of: the families' names, own.
 *
 *     node tools/screenshots.mjs [--record] [--only words --only own] [--out docs/screens]
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";
import { ensureBuilt } from "./build.mjs";
import { at, main, say } from "./house.mjs";
import { openHub } from "./hub/open.mjs";
import { serve } from "./serve.mjs";

const { values } = parseArgs({ options: { record: { type: "boolean" }, only: { type: "string", multiple: true }, out: { type: "string", default: "docs/screens" } } });

const folder = path.resolve(at("."), values.out);
const families = JSON.parse(readFileSync(at("public/zoo/index.json"), "utf8")).families;
const wanted = (name) => !values.only || values.only.includes(name);
/** A run on two busy cores. */
const timeout = 900_000;

await main(async () => {
  const served = await serve({ root: await ensureBuilt() });
  const browser = await launch();
  try {
    mkdirSync(folder, { recursive: true });
    for (const [i, family] of families.entries()) {
      if (!wanted(family)) continue;
      for (const width of i === 0 ? [1440, 390] : [1440]) await pictures(browser, served.url, family, width, i === 0 ? "" : `-${family}`);
    }
    if (wanted("own")) await own(browser, served.url);
  } finally {
    await browser.close();
    await served.close();
  }
});

async function visit(browser, url, width) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, deviceScaleFactor: width < 800 ? 2 : 1 });
  const page = await context.newPage();
  await page.goto(url);
  await page.getByRole("button", { name: "Merge", exact: true }).waitFor();
  return { context, page, press: (name) => page.getByRole("button", { name, exact: true }).first().click() };
}

async function pictures(browser, url, family, width, suffix) {
  const { context, page, press } = await visit(browser, url, width);
  const first = suffix === "";
  if (!first) await page.getByRole("radio", { name: family, exact: true }).check({ force: true });
  await press("Merge");
  if (first) {
    await page.getByText(/Step 3 of/).first().waitFor({ timeout });
    await press("Pause");
    await page.getByText(/^Paused/).first().waitFor();
    await both(page, `${width}-running`);
    await press("Resume");
  }
  await page.getByText(/The merge (is right on|scores)/).waitFor({ timeout });
  await page.getByText(/Filling in/).first().waitFor({ timeout });
  await page.getByText(/Filling in/).first().waitFor({ state: "detached", timeout });
  if (values.record && width === 1440) await record(page, family);
  await press("Take a sample");
  await page.locator("section:has(#try-title) table tr").last().locator("td.label").filter({ hasNotText: /^–$/ }).waitFor({ timeout: 120_000 }).catch(() => say("No answers to the sample in two minutes."));
  await page.waitForTimeout(3000);
  await both(page, `${width}${suffix}-after`);
  await context.close();
}

/** The sheet with a look, a task and what would be downloaded. */
async function own(browser, url) {
  const dir = mkdtempSync(path.join(tmpdir(), "murmuration-screens-"));
  for (const model of ["base", "sounds", "roman"]) {
    cpSync(at(`public/zoo/words/${model}`), path.join(dir, "words", model), { recursive: true, filter: (from) => !/\/samples(\/|$)/.test(from) });
    writeFileSync(path.join(dir, "words", model, "README.md"), `---\nlicense: mit\n${model === "base" ? "" : "base_model: words/base\n"}---\n`);
  }
  mkdirSync(path.join(dir, "datasets/words/sounds"), { recursive: true });
  writeFileSync(path.join(dir, "datasets/words/sounds/test.jsonl"), readFileSync(at("public/zoo/words/sounds/samples/sounds.jsonl")));
  const hub = await openHub({ dir });
  try {
    for (const width of [1440, 390]) {
      const { context, page } = await visit(browser, url, width);
      await page.evaluate(([address, viewer]) => localStorage.setItem("murmuration:hub", JSON.stringify({ address, viewer })), [hub.url, hub.viewer]);
      await page.reload();
      await page.getByRole("button", { name: "Bring your own…" }).click();
      const dialog = page.getByRole("dialog");
      const field = (name) => dialog.getByLabel(name, { exact: true });
      for (const [name, model] of [["base", "words/base"], ["expert 1", "words/sounds"], ["expert 2", "words/roman"]]) await field(name).fill(model);
      await dialog.getByRole("button", { name: "Look", exact: true }).click();
      await dialog.getByRole("button", { name: "A data set on the Hub" }).click();
      await dialog.getByLabel("data set").fill("words/sounds");
      await dialog.getByRole("button", { name: "Show rows" }).click();
      await dialog.getByRole("cell", { name: /^sounds / }).first().waitFor();
      await page.setViewportSize({ width, height: width < 800 ? 1700 : 1250 });
      for (const colorScheme of width < 800 ? ["dark"] : ["light"]) await one(page, `${width}-own`, colorScheme);
      await context.close();
    }
  } finally {
    await hub.close();
    rmSync(dir, { recursive: true });
  }
}

/** The whole page in one window, so that what sticks to a foot is at the foot. */
async function both(page, name) {
  const { width } = page.viewportSize();
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.min(height, 4000) });
  for (const colorScheme of ["light", "dark"]) await one(page, name, colorScheme);
  await page.setViewportSize({ width, height: 900 });
}

async function one(page, name, colorScheme) {
  await page.emulateMedia({ colorScheme });
  await page.mouse.move(0, 0);
  await page.waitForTimeout(500);
  await page.screenshot({ path: path.join(folder, `${name}-${colorScheme}.png`) });
  say(`${name}-${colorScheme}.png`);
}

/** What the page kept of its last run, without what a replay never shows, in fewer digits. */
async function record(page, family) {
  await page.waitForTimeout(1000);
  const kept = await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const asked = indexedDB.open("murmuration-page");
        asked.onerror = () => reject(asked.error);
        asked.onsuccess = () => {
          const got = asked.result.transaction("kept").objectStore("kept").get("last-run");
          got.onsuccess = () => resolve(got.result);
          got.onerror = () => reject(got.error);
        };
      }),
  );
  const report = kept.report && { ...kept.report, runs: kept.report.runs.map((run) => ({ ...run, trace: [] })) };
  const short = (key, value) => (typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value);
  const text = JSON.stringify({ ...kept, report, savedAt: "" }, short);
  mkdirSync(at("public/recorded"), { recursive: true });
  writeFileSync(at(`public/recorded/${family}.json`), `${text}\n`);
  say(`public/recorded/${family}.json, ${Math.round(text.length / 1000)} kB`);
}
