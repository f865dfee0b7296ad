/** Models from a Hub on the page: named, looked at, agreed to, loaded, merged; a link to them asks before it loads anything. */
import AxeBuilder from "@axe-core/playwright";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Page } from "playwright";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalHub, openLocalHub } from "../fixtures/hub/local.ts";
import { root } from "./commandLine.ts";
import { site, visit } from "./site.ts";

let hub: LocalHub;
const zoo = path.join(root, "public/zoo/words");

beforeAll(async () => {
  hub = await openLocalHub({ tokens: { hf_mine: "me" } });
  for (const model of ["base", "sounds", "roman"]) {
    for (const file of readdirSync(path.join(zoo, model), { recursive: true }) as string[]) {
      if (!/\.(json|onnx)$/.test(file) || file.startsWith("samples")) continue;
      const bytes = new Uint8Array(readFileSync(path.join(zoo, model, file)));
      hub.put(`words/${model}`, file, bytes);
      if (model === "roman") hub.put("words/closed", file, bytes);
    }
    hub.put(`words/${model}`, "README.md", `---\nlicense: mit\n${model === "base" ? "" : "base_model: words/base\n"}---\n`);
  }
  hub.put("words/closed", ".hub.json", { gated: "auto", allowed: ["hf_mine"] });
  const rows = readFileSync(path.join(zoo, "sounds/samples/sounds.jsonl"), "utf8").trim().split("\n").slice(0, 60).map((line) => JSON.parse(line) as { prompt: string; answer: string });
  hub.put("datasets/words/sounds", "test.jsonl", rows.map(({ prompt, answer }) => JSON.stringify({ prompt, answer })).join("\n"));
});
afterAll(() => hub.close());

async function useHub(page: Page): Promise<void> {
  const dialog = page.getByRole("dialog");
  await dialog.locator("summary", { hasText: "Another Hub" }).click();
  await dialog.getByLabel("Hub", { exact: true }).fill(hub.url);
  await dialog.getByLabel("its dataset viewer").fill(hub.viewer);
  await dialog.getByRole("button", { name: "Use this Hub" }).click();
  await dialog.getByText(`Models come from ${hub.url}.`).waitFor();
}

/** What only a load asks for: a look reads configurations and graphs. */
const loads = () => hub.log.filter(({ path: asked }) => asked.endsWith("/tokenizer.json"));

test("named, looked at, agreed to, merged by the page; a link to it asks again elsewhere", async () => {
  const { url } = await site();
  const { page, errors } = await visit(url);
  await page.getByRole("button", { name: "Bring your own…" }).click();
  const dialog = page.getByRole("dialog");
  await useHub(page);
  const field = (name: string) => dialog.getByLabel(name, { exact: true });
  await field("base").fill("words/base");
  await field("expert 1").fill("words/<b>");
  await field("expert 2").fill("words/closed");
  await dialog.getByRole("alert").getByText(/holds a character that references never have/).waitFor();
  expect(await dialog.getByRole("button", { name: "Look", exact: true }).isDisabled()).toBe(true);

  await field("expert 1").fill("words/nobody");
  await dialog.getByRole("button", { name: "Look", exact: true }).click();
  await dialog.getByText("Not all of these models can be read.").waitFor();
  await dialog.getByText(/words\/nobody is not there, or private/).waitFor();
  await dialog.getByText(/words\/closed\/\S+ is gated.*then enter your token/).first().waitFor();
  await field("token").fill("hf_mine");
  await dialog.getByRole("button", { name: "Use this token" }).click();
  await dialog.getByText("A token is set.", { exact: true }).waitFor();
  expect(await field("token").inputValue()).toBe("");

  await field("expert 1").fill("words/sounds");
  await dialog.getByRole("button", { name: "Look", exact: true }).click();
  await dialog.getByText("These models fit.").waitFor();
  await dialog.getByText("tuned from words/base").first().waitFor();
  await dialog.getByRole("button", { name: "A data set on the Hub" }).click();
  await dialog.getByLabel("data set").fill("words/sounds");
  await dialog.getByRole("button", { name: "Show rows" }).click();
  await dialog.getByRole("cell", { name: /^sounds / }).first().waitFor();
  await dialog.getByLabel("the search sees").fill("4");
  await dialog.getByLabel("tested on").fill("8");
  await dialog.getByLabel("tested on").blur();
  await dialog.getByText(/Nothing leaves this browser\./).waitFor();
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
  expect(loads()).toEqual([]);
  await dialog.getByRole("button", { name: /^Download .* and load$/ }).click();
  await dialog.waitFor({ state: "detached", timeout: 60_000 }).catch(() => undefined);
  expect(await page.locator("dialog[open]").count()).toBe(0);
  expect(loads().length).toBeGreaterThan(0);

  await page.getByLabel("steps of the swarm").fill("1");
  await page.getByRole("button", { name: "Merge", exact: true }).click();
  await page.getByText(/The merge (is right on|scores)/).waitFor({ timeout: 60_000 });
  expect(await page.getByRole("checkbox", { name: "Merge sounds too" }).count()).toBe(1);
  await page.getByLabel("What the models read").fill("sounds banana");
  await page.getByRole("button", { name: "Ask" }).click();
  await expect.poll(() => page.locator("tr.merge td.label").innerText(), { timeout: 60_000 }).not.toBe("–");

  await page.getByRole("button", { name: "Share", exact: true }).first().click();
  const shared = await page.getByLabel("Copy the link").first().inputValue();
  expect(JSON.stringify([shared, errors])).not.toContain("hf_mine");
  expect(errors).toEqual([]);
  const other = await visit(shared);
  hub.log.length = 0;
  await other.page.getByRole("button", { name: "Run it" }).click();
  const asked = other.page.getByRole("dialog");
  await asked.getByText("Nothing of them was downloaded yet.").waitFor();
  await asked.getByText("words/sounds").first().waitFor();
  await asked.getByRole("button", { name: "Not now" }).click();
  expect(hub.log).toEqual([]); // that page knows another Hub, and it was not asked for anything either
});
