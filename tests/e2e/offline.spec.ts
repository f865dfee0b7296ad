/** The service worker on the built site: a second visit without a server, and isolation on hosts that send no headers. */
import { expect, test } from "vitest";
import { options, recipe, run } from "./headless.ts";
import { site, until, visit } from "./site.ts";

/** All files of the site are kept, but Python, which comes when code is to be run, and the runtime for a GPU that is not there. */
async function kept(page: import("playwright").Page): Promise<void> {
  await page.evaluate(async () => {
    const list = await (await fetch("sw.js")).text();
    const files = (JSON.parse(list.slice(list.indexOf("["), list.indexOf(";\n"))) as [string, string][]).filter(([path]) => !/pyodide|python_|asyncify/.test(path));
    const [name = ""] = (await caches.keys()).filter((key) => key.startsWith("murmuration:"));
    for (;;) {
      const addresses = new Set((await (await caches.open(name)).keys()).map(({ url }) => url));
      if (files.every(([path, digest]) => addresses.has(new URL(`${path}?digest=${digest}`, document.baseURI).href))) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
}

test("on a host without headers the page is isolated after one reload, and under any path", async () => {
  const served = await site({ isolated: false, base: "/somewhere/deep/" });
  const { page } = await visit(null);
  let loads = 0;
  page.on("load", () => (loads += 1));
  await page.goto(served.url);
  await until(page, () => crossOriginIsolated && document.readyState === "complete");
  await page.waitForTimeout(1000); // would it reload again?
  expect(loads).toBe(2);
  // The service worker sends what the host does not: isolation, and for generated code's thread the policy that cuts it off.
  const policy = await page.evaluate(async () => {
    const [file = ""] = /assets\/code\.worker-[\w-]+\.js/.exec(await (await fetch("sw.js")).text()) ?? [];
    return (await fetch(file)).headers.get("content-security-policy");
  });
  expect(policy).toMatch(/^default-src 'none'; script-src 'self' 'wasm-unsafe-eval'$/);
});

test("a second visit needs no server: the page, the runtime, the models and a whole run", async () => {
  const served = await site();
  const { page } = await visit(served.url);
  await page.evaluate(() => navigator.serviceWorker.ready);
  await kept(page);
  await served.close();
  await page.goto(served.url);
  await page.getByRole("button", { name: "Merge" }).first().waitFor();
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  // Threads, runtime, models and samples without a network.
  await page.getByRole("button", { name: "Merge" }).first().click();
  await until(page, () => /Step 1 of|Done/.test(document.querySelector("[role=status]")?.textContent ?? ""));
});

test("a browser that refuses service workers has the whole lab all the same", async () => {
  const { page } = await visit(`${(await site()).url}headless.html`, { serviceWorkers: "block" });
  const { report } = await run(page, { recipe: recipe({ steps: 1 }, { optimise: 10, test: 10 }), options: options() });
  expect(report.runs[0]?.best).not.toBeNull();
});
