/**
 * How the winner of the default recipe stands over search and sample seeds: against the plain average, task arithmetic tuned on the same
 * samples with the same budget, and random search with the same budget. Differences are paired by seed; their 95 % intervals
 * are Student's t over seeds.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { app } from "../cli/app.mjs";
import { at, say } from "../house.mjs";

/** 97.5 % quantiles of Student's t by degrees of freedom. */
const t975 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093, 2.086];

export async function seeds(browser, url, { count, first = 1, recipe: file, json }) {
  const recipe = JSON.parse(readFileSync(file ?? at("recipes/glyphs.json"), "utf8"));
  delete recipe.$schema;
  const rows = [];
  for (let seed = first; seed < first + count; seed++) {
    const scores = await one(browser, url, recipe, seed);
    rows.push({ seed, ...scores });
    say(`seed ${seed}: ${Object.entries(scores).map(([id, score]) => `${id} ${(100 * score).toFixed(2)}`).join(", ")}`);
  }
  const ids = Object.keys(rows[0]).filter((id) => id !== "seed");
  const winner = recipe.export ?? recipe.runs[0].id;
  const summary = ids.map((id) => ({ id, mean: mean(rows.map((row) => row[id])), difference: id === winner ? null : paired(rows.map((row) => row[winner] - row[id])) }));
  for (const { id, mean: value, difference } of summary) {
    const against = difference ? `; ${winner} − ${id}: ${points(difference.estimate)} (95 %: ${points(difference.interval[0])} to ${points(difference.interval[1])})` : "";
    console.log(`${id}: ${(100 * value).toFixed(2)} % on test, mean of ${count} seeds${against}`);
  }
  if (json) writeFileSync(json, `${JSON.stringify({ recipe, rows, summary }, null, 2)}\n`);
}

async function one(browser, url, recipe, seed) {
  const [search] = recipe.runs;
  // What the search plans, the others are given too.
  const { parseRecipe, planOf } = await app();
  const whole = parseRecipe(recipe);
  const plan = planOf(whole.runs[0], whole).evaluations;
  const compare = [
    { id: "average", method: "linear" },
    { id: "ta-tuned", method: "task_arithmetic", lambda: { tune: [0.05, 1.5], evaluations: plan } },
  ];
  const runs = [search, { id: "random", method: "random", evaluations: plan }];
  const job = { recipe: { ...recipe, runs, compare, export: search.id, seeds: { samples: seed, search: seed } }, options: { storage: "bench" }, only: ["base", search.id, "average", "ta-tuned", "random"] };
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${url}headless.html`);
  await page.waitForFunction("window.headless");
  const answer = await page.evaluate((given) => window.headless.run(given), job);
  await context.close();
  if (!answer.ok) throw new Error(answer.message);
  return Object.fromEntries(["base", search.id, "average", "ta-tuned", "random"].map((id) => [id, answer.value.scores[id].mean.test]));
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const points = (share) => `${share < 0 ? "−" : ""}${Math.abs(100 * share).toFixed(2)} points`;

function paired(differences) {
  const n = differences.length;
  const estimate = mean(differences);
  const spread = Math.sqrt(differences.reduce((sum, d) => sum + (d - estimate) ** 2, 0) / (n - 1) / n);
  const half = (t975[n - 2] ?? 1.96) * spread;
  return { estimate, interval: [estimate - half, estimate + half] };
}
