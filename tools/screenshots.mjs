/**
 * Pictures of the page for docs/screens: 1440 and 390 wide, mid-run and after, light and dark, on the built site with the
 * real lab. `--record` also writes public/recorded/glyphs.json, the run that the first view replays.
 *
 *     node tools/screenshots.mjs [--record] [--out docs/screens]
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { launch } from "./browser.mjs";
import { ensureBuilt } from "./build.mjs";
import { at, main, say } from "./house.mjs";
import { serve } from "./serve.mjs";

const { values } = parseArgs({ options: { record: { type: "boolean" }, out: { type: "string", default: "docs/screens" } } });

const folder = path.resolve(at("."), values.out);

await main(async () => {
  const served = await serve({ root: await ensureBuilt() });
  const browser = await launch();
  try {
    mkdirSync(folder, { recursive: true });
    for (const width of [1440, 390]) await pictures(browser, served.url, width);
  } finally {
    await browser.close();
    await served.close();
  }
});

async function pictures(browser, url, width) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, deviceScaleFactor: width < 800 ? 2 : 1 });
  const page = await context.newPage();
  await page.goto(url);
  const press = (name) => page.getByRole("button", { name, exact: true }).first().click();
  await page.getByRole("button", { name: "Merge", exact: true }).waitFor();
  await press("Merge");
  await page.getByText(/Step 3 of/).first().waitFor({ timeout: 300_000 });
  await press("Pause");
  await page.getByText(/^Paused/).first().waitFor();
  await both(page, `${width}-running`);
  await press("Resume");
  await page.getByText(/The merge (is right on|scores)/).waitFor({ timeout: 600_000 });
  await page.getByText(/Filling in/).first().waitFor();
  await page.getByText(/Filling in/).first().waitFor({ state: "detached", timeout: 600_000 });
  if (values.record && width === 1440) await record(page);
  await press("Take a sample");
  await page.locator("tr", { hasText: "thai" }).locator("td.figure", { hasText: "%" }).waitFor({ timeout: 120_000 }).catch(() => say("No answers to the sample in two minutes."));
  await both(page, `${width}-after`);
  await context.close();
}

/** The whole page in one window, so that what sticks to a foot is at the foot. */
async function both(page, name) {
  const { width } = page.viewportSize();
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.min(height, 4000) });
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.mouse.move(0, 0);
    await page.waitForTimeout(500);
    await page.screenshot({ path: path.join(folder, `${name}-${colorScheme}.png`) });
    say(`${name}-${colorScheme}.png`);
  }
  await page.setViewportSize({ width, height: 900 });
}

/** What the page kept of its last run, without what a replay never shows, in fewer digits. */
async function record(page) {
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
  writeFileSync(at("public/recorded/glyphs.json"), `${text}\n`);
  say(`public/recorded/glyphs.json, ${Math.round(text.length / 1000)} kB`);
}
