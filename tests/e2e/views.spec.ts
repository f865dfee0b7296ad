/** The page's other views: one formula under sliders, the models before they are merged, folders of safetensors, what is kept. */
import AxeBuilder from "@axe-core/playwright";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { site, visit } from "./site.ts";

const family = fileURLToPath(new URL("../fixtures/parity/family/float32", import.meta.url));

test("a slider re-merges, letting go scores, and the formula can stand beside the search", async () => {
  const { page, errors } = await visit((await site()).url);
  await page.getByRole("tab", { name: "One formula" }).click();
  await page.getByRole("button", { name: "Take a sample" }).click();
  const density = page.getByRole("slider", { name: "density" });
  await density.focus();
  for (let i = 0; i < 8; i++) await page.keyboard.press("PageDown");
  const formula = page.locator("#view-formula pre");
  await expect.poll(() => formula.innerText(), { timeout: 60_000 }).toMatch(/top \d\d? %/);
  // Scored beside the average and each own expert; a number in every row.
  await expect.poll(() => page.locator("#view-formula tbody td").allInnerTexts(), { timeout: 90_000 }).not.toContain("–");
  await page.locator("tr", { hasText: "TIES" }).locator("td.figure", { hasText: "%" }).waitFor({ timeout: 60_000 });

  await page.getByLabel("method").selectOption("slerp");
  await page.getByRole("slider", { name: "t", exact: true }).waitFor();
  await expect.poll(() => formula.innerText(), { timeout: 60_000 }).toContain("Ω");
  await page.getByRole("button", { name: "Put it beside the search" }).click();
  await page.getByRole("button", { name: "Recipe", exact: true }).first().click();
  expect(await page.getByRole("dialog").innerText()).toContain('"method": "slerp"');
  await page.keyboard.press("Escape");
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
  expect(errors).toEqual([]);
});

test("before a merge: lengths, directions, conflicts and zeros as tables, and as CSV; arrow keys turn the views", async () => {
  const { page, errors } = await visit((await site()).url);
  await page.getByRole("tab", { name: "Search" }).focus();
  await page.keyboard.press("ArrowLeft"); // round to the last one
  await page.getByRole("heading", { name: "Length of the task vectors" }).waitFor({ timeout: 60_000 });
  expect(await page.getByRole("rowheader", { name: "layer 4" }).count()).toBe(3); // lengths, conflicts, zeros
  const [csv] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Save as CSV" }).click()]);
  const lines = readFileSync(await csv.path(), "utf8").trim().split(/\r?\n/);
  expect(lines[0]).toContain("cosine digits clothes");
  expect(lines.length).toBeGreaterThan(5);
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
  expect(errors).toEqual([]);
});

test("folders of safetensors are merged on the page, and what does not fit is said", async () => {
  const { page, errors } = await visit((await site()).url);
  await page.getByRole("button", { name: "Merge folders of safetensors" }).click();
  const folder = page.getByLabel("Add a folder");
  for (const name of ["base", "math", "code"]) await folder.setInputFiles(`${family}/${name}`);
  await page.getByRole("button", { name: "What would it cost?" }).click();
  await page.getByText(/30 tensors, 0\.01 M weights/).waitFor({ timeout: 60_000 });
  await page.getByRole("button", { name: "Merge, then download" }).click();
  await page.getByText(/^Done: /).waitFor({ timeout: 60_000 });
  const row = page.locator("li", { hasText: "model.safetensors" });
  const [saved] = await Promise.all([page.waitForEvent("download"), row.getByRole("button", { name: "Save" }).click()]);
  const bytes = readFileSync(await saved.path());
  const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  expect(Object.keys(header)).toContain("model.embed_tokens.weight");

  await folder.setInputFiles(`${family}/wide`);
  await page.getByRole("button", { name: "What would it cost?" }).click();
  await expect.poll(() => page.getByRole("alert").innerText(), { timeout: 60_000 }).toMatch(/embed_tokens/);
  expect(errors).toEqual([]);
});

test("what the browser keeps can be seen and deleted", async () => {
  const { page } = await visit((await site()).url);
  await page.getByRole("tab", { name: "Before you merge" }).click();
  await page.getByRole("heading", { name: "Length of the task vectors" }).waitFor({ timeout: 60_000 });
  await page.getByRole("button", { name: "Storage" }).click();
  const rows = page.getByRole("dialog").locator("tbody tr");
  await rows.first().waitFor({ timeout: 30_000 });
  const before = await rows.count();
  await rows.first().getByRole("button", { name: /^Delete/ }).click();
  await expect.poll(() => rows.count()).toBe(before - 1);
  await page.getByRole("button", { name: "Delete all" }).click();
  await page.getByText("No models are kept yet").waitFor();
});
