/**
 * `npm run bench [-- --only NAME …] [--json FILE]`: every figure is a ratio of two things measured in one run, a line each, with its
 * goal and the adapter it was measured on. `npm run bench -- --seeds [--count N] [--first S] [--recipe FILE]` asks instead how a recipe, the default one, stands over the N seeds from S on.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { at, cache, main, Plain, say } from "../house.mjs";
import { ensureInstalled } from "../install.mjs";

await main(async () => {
  const { values } = parseArgs({
    options: { json: { type: "string" }, only: { type: "string", multiple: true }, seeds: { type: "boolean" }, count: { type: "string" }, first: { type: "string" }, recipe: { type: "string" } },
  });
  ensureInstalled();
  const { build, ensureBuilt } = await import("../build.mjs");
  const { launch } = await import("../browser.mjs");
  const { sendFile, serve } = await import("../serve.mjs");
  const site = await ensureBuilt();
  const bench = path.join(cache, "bench");
  if (!values.seeds) await build("tools/bench/vite.config.mjs", bench, at("tests/bench"));
  const server = await serve({
    root: bench,
    base: "/bench/",
    route: async (request, response, pathname) => {
      // The zoo lies beside the bench page as it does beside the site's.
      const zoo = /^\/bench\/(zoo\/.*)$/.exec(pathname)?.[1];
      const rest = zoo ?? (pathname.startsWith("/site/") ? pathname.slice("/site/".length) || "index.html" : null);
      if (rest === null) return false;
      await sendFile(request, response, site, rest);
      return true;
    },
  });
  const origin = new URL(server.url).origin;
  // Cards' clocks are rounded to a tenth of a millisecond without it.
  const browser = await launch({ args: ["--enable-webgpu-developer-features"] });
  try {
    if (values.seeds) return await (await import("./seeds.mjs")).seeds(browser, `${origin}/site/`, { count: Number(values.count ?? 10), first: Number(values.first ?? 1), recipe: values.recipe, json: values.json });
    const rows = [];
    const adapter = await kernelRows(browser, `${origin}/bench/bench.html`, values.only, rows);
    const { siteBenches } = await import("./site.mjs");
    for (const [name, measure] of Object.entries(siteBenches)) if (wanted(values.only, name)) print(await measure(browser, `${origin}/site/`), rows, adapter);
    const { hubBenches } = await import("./hub.mjs");
    for (const [name, measure] of Object.entries(hubBenches)) if (wanted(values.only, name)) print(await measure(browser, `${origin}/bench/hub.html`), rows, adapter);
    if (wanted(values.only, "minilm")) print(await (await import("./minilm.mjs")).minilm(browser, `${origin}/site/`), rows, adapter);
    const { folders } = await import("./folders.mjs");
    for (const [name, size] of [["folders-small", "small"], ["folders-large", "large"]]) if (wanted(values.only, name)) for await (const measured of folders(size)) print(measured, rows, adapter);
    if (rows.length === 0) throw new Plain(`Nothing is named ${values.only?.join(", ")}. Leave --only out to see all names.`);
    if (values.json) writeFileSync(values.json, `${JSON.stringify({ adapter, browser: browser.version(), rows }, null, 2)}\n`);
    const missed = rows.filter((row) => met(row) === false);
    say(`${rows.length} figures on ${adapter}; ${missed.length === 0 ? "every goal is met" : `${missed.length} miss their goal`}.`);
  } finally {
    await browser.close();
    await server.close();
  }
});

/** Each measurement on a fresh page, so that none inherits another's memory. */
async function kernelRows(browser, url, only, rows) {
  const open = async () => {
    const page = await browser.newPage();
    await page.goto(url);
    await page.waitForFunction("window.bench");
    return page;
  };
  const first = await open();
  const adapter = await first.evaluate("window.bench.adapter()");
  const names = await first.evaluate("window.bench.names");
  await first.close();
  for (const name of names) {
    if (!wanted(only, name)) continue;
    const page = await open();
    try {
      print(await page.evaluate((one) => window.bench.run(one), name), rows, adapter);
    } catch (error) {
      say(`${name} could not be measured: ${String(error?.message ?? error).split("\n")[0]}`);
      process.exitCode = 1;
    }
    await page.close();
  }
  return adapter;
}

function wanted(only, name) {
  return !only?.length || only.some((one) => name.includes(one));
}

function met({ value, goal }) {
  if (!goal) return null;
  return "atMost" in goal ? value <= goal.atMost : value >= goal.atLeast;
}

function print(measured, rows, adapter) {
  for (const row of measured) {
    rows.push(row);
    const goal = !row.goal ? "no goal" : "atMost" in row.goal ? `goal ≤ ${row.goal.atMost}` : `goal ≥ ${row.goal.atLeast}`;
    const mark = { true: "met", false: "MISSED", null: "" }[String(met(row))];
    const details = Object.entries(row.details).map(([name, value]) => `${name} ${typeof value === "number" ? figure(value) : value}`);
    console.log(`${row.name}: ${figure(row.value)} ${row.unit} (${goal}${mark && `, ${mark}`}) on ${adapter}; ${details.join(", ")}`);
  }
}

function figure(value) {
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(3)).toString();
}
