/** The library in somebody else's site: built apart by its own bundler, under a sub-path, models elsewhere, two labs on one page. */
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { build } from "vite";
import { beforeAll, expect, test } from "vitest";
import { ensureLibrary } from "../../tools/build.mjs";
import { sendFile, serve } from "../../tools/serve.mjs";
import { folder, root } from "./commandLine.ts";
import { dist, visit } from "./site.ts";

const place = folder("consumer");

beforeAll(async () => {
  await ensureLibrary();
  cpSync(path.join(root, "tests/fixtures/consumer"), place, { recursive: true });
  mkdirSync(path.join(place, "node_modules"));
  symlinkSync(root, path.join(place, "node_modules/murmuration"), "dir"); // as `npm install` of a folder does
  await build({ root: place, configFile: path.join(place, "vite.config.mjs"), logLevel: "error" });
});

test("two labs on one page of another site run, export and share nothing", async () => {
  const models = dist();
  const served = await serve({
    root: path.join(place, "dist"),
    base: "/deep/under/",
    route: async (request, response, pathname) => {
      if (!pathname.startsWith("/deep/models/")) return false;
      await sendFile(request, response, models, pathname.slice("/deep/models/".length));
      return true;
    },
  });
  const { page, errors, requests } = await visit(served.url);
  await page.waitForFunction(() => document.title === "done", null, { timeout: 90_000 });
  const [left, right] = await Promise.all(["left", "right"].map(async (id) => JSON.parse((await page.locator(`#${id}`).textContent()) ?? "")));
  expect(left.digest).toMatch(/^sha256:/);
  expect(right).toEqual(left);
  expect(left.heard).toEqual(expect.arrayContaining(["loaded", "proposed", "materialised", "scored", "step", "winner", "tested", "done"]));
  expect(left.files).toContain("digits/onnx/model.onnx");
  expect(errors).toEqual([]);
  const databases = await page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name ?? ""));
  expect(databases.filter((name) => name.startsWith("site-a")).length).toBe(databases.filter((name) => name.startsWith("site-b")).length);
  expect(databases.some((name) => name.startsWith("murmuration"))).toBe(false);
  // The runtime comes from the site that was built, the models from where it said.
  expect(requests.some((address) => /\/deep\/under\/assets\/.*\.wasm$/.test(address))).toBe(true);
  expect(requests.every((address) => address.startsWith(new URL(served.url).origin) || /^(blob|data):/.test(address))).toBe(true);
  await served.close();
});
