/** The page in a real browser with the real lab: press Merge, see it end, try it, share it, go on after a reload. */
import AxeBuilder from "@axe-core/playwright";
import { unzipSync } from "fflate";
import { readFileSync } from "node:fs";
import type { Page } from "playwright";
import { expect, test } from "vitest";
import { encodeLink, parseRecipe } from "../../src/index.ts";
import { recipe } from "./headless.ts";
import { ownBrowser, site, visit } from "./site.ts";

/** Small enough for two cores in software: few samples, one step unless a test needs time to interfere. */
const link = (steps = 1, title = "A small run") =>
  `#${encodeLink({ recipe: parseRecipe({ ...recipe({ steps }, { optimise: 10, test: 20 }), title }), rows: [], digests: {} })}`;

const merge = (page: Page) => page.getByRole("button", { name: "Merge", exact: true });
const status = (page: Page) => page.getByRole("status").first();
const verdict = (page: Page) => page.getByText(/The merge is right on/);

async function finish(page: Page): Promise<void> {
  await verdict(page).waitFor({ timeout: 100_000 });
}

test("Merge ends with a sentence; the model is tried, taken home, shared, and the link verifies", async () => {
  const { url } = await site();
  const { page, context, errors } = await visit(url + link());
  await page.getByText("Nothing has started and nothing was loaded.").waitFor();
  expect(await verdict(page).count()).toBe(0);
  await merge(page).click();
  await finish(page);
  expect(await status(page).innerText()).toMatch(/kernels .* · scoring .*/);
  expect(await page.locator("svg [role=img]").count()).toBeGreaterThan(2); // rows of Task by task

  await page.getByRole("button", { name: "Take a sample" }).click();
  await page.getByText(/The right answer is/).waitFor();
  await page.locator("tr.merge td.figure", { hasText: "%" }).waitFor({ timeout: 60_000 });

  await page.getByRole("button", { name: "Download", exact: true }).click();
  const [zip] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /as one zip/ }).click()]);
  const files = Object.keys(unzipSync(readFileSync(await zip.path())));
  expect(files).toContain("report.json");
  expect(files.some((path) => path.endsWith("onnx/model.onnx"))).toBe(true);
  await page.keyboard.press("Escape");

  await page.getByRole("button", { name: "Share", exact: true }).first().click();
  const shared = await page.getByLabel("Copy the link").first().inputValue();
  const other = await context.newPage();
  await other.goto(shared);
  await other.getByRole("button", { name: "Verify it" }).click();
  await other.getByText(/evaluations (score the same here|match but for)/).waitFor({ timeout: 100_000 });
  expect(errors).toEqual([]);
});

test("a reload in mid-run offers the run again, and it goes on to the end", async () => {
  const { page } = await visit((await site()).url + link(4));
  await merge(page).click();
  await page.getByText(/Step [1-4] of 4/).first().waitFor({ timeout: 60_000 });
  await page.waitForTimeout(1600); // what is kept is written every 1.5 s
  await page.goto(page.url().replace(/#.*/, ""));
  await page.reload();
  await page.getByRole("button", { name: "Go on" }).click();
  await finish(page);
  await page.reload();
  await page.getByRole("button", { name: "Show the last run" }).click();
  await finish(page);
});

test("Space pauses and resumes, → steps, R resets, and the seed stays", async () => {
  const { page } = await visit((await site()).url + link(6));
  const seed = await page.getByLabel("search seed").inputValue();
  await merge(page).click();
  await page.getByText(/particle ([3-9]|\d\d) of/).first().waitFor({ timeout: 60_000 });
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press("Space");
  await status(page).getByText(/^Paused/).first().waitFor();
  const before = await status(page).locator(".now").innerText();
  // A pause may fall into an evaluation: the first step ends it, the second brings the next particle.
  await page.keyboard.press("ArrowRight");
  await page.waitForTimeout(1500);
  await status(page).getByText(/^Paused/).first().waitFor();
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction((was) => document.querySelector("[role=status] .now")?.textContent !== was, before);
  await status(page).getByText(/^Paused/).first().waitFor();
  await page.keyboard.press("Space");
  await page.waitForFunction(() => !/Paused/.test(document.querySelector("[role=status] .now")?.textContent ?? "Paused"));
  await page.keyboard.press("r");
  await page.getByText("Press Merge and the swarm appears here.").waitFor();
  expect(await page.getByLabel("search seed").inputValue()).toBe(seed);
});

test.for(["#%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "#__proto__", `#${"A".repeat(300_000)}`])("a hostile link is text and starts nothing: %.30s", async (hash) => {
  const { page, asked } = await visit((await site()).url + hash);
  await page.getByRole("alert").getByText(/could not be read/).waitFor();
  expect(await page.locator("[role=alert] img").count()).toBe(0);
  expect(asked.filter((address) => address.endsWith(".onnx"))).toEqual([]);
  await merge(page).waitFor();
});

test("another family brings its models, its recorded run and its way of trying; nothing is loaded for it", async () => {
  const { page, asked, errors } = await visit((await site()).url);
  await page.getByRole("radio", { name: "words" }).check({ force: true });
  await page.getByText("Ⅳ").waitFor();
  await page.getByText("Recorded run").first().waitFor();
  await expect.poll(() => page.getByLabel("What the models read").getAttribute("placeholder")).toMatch(/^sounds /);
  await page.getByRole("button", { name: "Recipe", exact: true }).click();
  await page.getByRole("dialog").getByText('"model": "zoo/words/base"').waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("radio", { name: "glyphs" }).check({ force: true });
  await page.getByText("draw here").waitFor();
  expect(asked.filter((address) => /\.(onnx|wasm)$/.test(address))).toEqual([]);
  expect(errors).toEqual([]);
});

test("a title from a link is text, whatever it holds", async () => {
  const { page } = await visit((await site()).url + link(1, "<img src=x onerror=alert(1)>"));
  await page.getByText("<img src=x onerror=alert(1)>").first().waitFor();
});

test("at 320, 390 and 1440 wide nothing scrolls sideways, and Merge is in reach", async () => {
  const { page } = await visit((await site()).url + link());
  const look = async (reach: boolean) => {
    for (const width of [320, 390, 1440]) {
      await page.setViewportSize({ width, height: 780 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      if (!reach) continue;
      const box = await merge(page).boundingBox();
      expect(box && box.y + box.height).toBeLessThanOrEqual(780);
    }
  };
  await merge(page).waitFor();
  await look(true);
  await merge(page).click();
  await finish(page);
  await look(false);
});

test("axe finds nothing serious, before and after a run, light and dark", async () => {
  const { page } = await visit((await site()).url + link());
  await merge(page).waitFor();
  const serious = async () => {
    const found: string[] = [];
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      const { violations } = await new AxeBuilder({ page }).analyze();
      found.push(...violations.filter((v) => v.impact === "serious" || v.impact === "critical").map((v) => `${colorScheme} ${v.id}: ${v.nodes.map((node) => node.target.join(" ")).join(", ")}`));
    }
    return found;
  };
  expect(await serious()).toEqual([]);
  await merge(page).click();
  await finish(page);
  expect(await serious()).toEqual([]);
});

test("without WebGPU the status line says what runs instead", async () => {
  const browser = await ownBrowser({ without: ["--enable-unsafe-webgpu"], args: ["--disable-features=WebGPU"] });
  const { page } = await visit((await site()).url, { browser });
  await status(page).getByText(/no WebGPU here: kernels on the CPU/).waitFor({ timeout: 60_000 });
});
