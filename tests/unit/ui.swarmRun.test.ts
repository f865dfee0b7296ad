import { expect, test } from "vitest";
import { LabError, type LabEvent } from "../../src/index.ts";
import { App } from "../../src/ui/state/app.svelte.ts";
import { Player } from "../../src/ui/state/player.svelte.ts";
import { journalOf, Recorder, type Recording } from "../../src/ui/state/recording.ts";
import { recipeOf, Settings } from "../../src/ui/state/settings.svelte.ts";
import { SwarmRun } from "../../src/ui/state/swarmRun.svelte.ts";
import { statusText } from "../../src/ui/statusText.ts";
import { fakeFamily, fakeLab } from "../fixtures/ui/fakeLab.ts";

async function events(diverges = -1): Promise<{ told: LabEvent[]; recipe: Settings["recipe"] }> {
  const settings = new Settings();
  settings.use(recipeOf(fakeFamily(3)));
  const told: LabEvent[] = [];
  await fakeLab({ experts: 3, beatMs: 0, diverges }).run(settings.recipe, { onEvent: (event) => told.push(event) });
  return { told, recipe: settings.recipe };
}

test("a run is drawn from its events alone", async () => {
  const run = new SwarmRun();
  const { told } = await events();
  for (const event of told) run.apply(event);
  expect(run.status).toBe("done");
  expect(run.rows).toHaveLength(42); // (2·3 + 1) particles, 5 steps and the start
  expect(run.swarm).toHaveLength(7);
  expect(run.best?.fitness).toBe(Math.max(...run.rows.map((row) => row.fitness ?? -Infinity)));
  expect(Object.keys(run.tested)).toEqual(["base", "digits", "clothes", "letters", "average", "ta", "pso"]);
});

test("an evaluation told twice (after a recovery) stands once", async () => {
  const run = new SwarmRun();
  const { told } = await events();
  for (const event of told) {
    run.apply(event);
    if (event.type === "scored") run.apply({ ...event, fitness: 0.123 });
  }
  expect(run.rows).toHaveLength(42);
  expect(run.rows.every((row) => row.fitness === 0.123)).toBe(true);
});

test("a diverged candidate is counted and is never the best", async () => {
  const run = new SwarmRun();
  for (const event of (await events(9)).told) run.apply(event);
  expect(run.diverged).toBe(1);
  expect(run.best?.evaluation).not.toBe(9);
});

test("the status line says what happens, from the first byte to the end", async () => {
  const run = new SwarmRun();
  const said = new Set<string>();
  for (const event of (await events()).told) {
    run.apply(event);
    said.add(statusText(run).now);
  }
  const all = [...said];
  expect(all[0]).toMatch(/Starting|Loading/);
  expect(all).toContain("Loading models: 385 kB of 550 kB");
  expect(all).toContain("Starting points · particle 1 of 7");
  expect(all).toContain("Step 5 of 5 · particle 7 of 7");
  expect(all).toContain("Testing on samples no search has seen");
  expect(all.at(-1)).toBe("Done");
});

test("the status line names another run of the recipe while that one searches", async () => {
  const run = new SwarmRun();
  const { told } = await events();
  for (const event of told.filter(({ type }) => type === "loaded" || type === "phase").slice(0, 4)) run.apply(event);
  run.apply({ type: "phase", phase: "search" });
  run.plan = [...run.plan, { run: "random", method: "random", evaluations: 42, particles: 1, steps: 0 }];
  run.apply({ type: "proposed", run: "random", evaluation: 11, step: 0, particle: 0, origin: "random", candidate: { kind: "coefficients", values: [] } });
  expect(statusText(run).now).toBe("Random · evaluation 12 of 42");
});

test("what is kept of a run tells it again, and is its journal", async () => {
  const { told, recipe } = await events();
  let kept: Recording | null = null;
  const recorder = new Recorder(recipe, (recording) => (kept = recording));
  for (const event of told) recorder.add(event);
  recorder.flush();
  const recording = kept as Recording | null;
  if (!recording) throw new Error("nothing was kept");
  expect(journalOf(recording).rows).toHaveLength(42);
  const player = new Player(recording);
  player.toEnd();
  expect(player.run.rows).toHaveLength(42);
  expect(player.ended).toBe(true);
  player.rewind();
  expect(player.run.rows).toHaveLength(0);
});

test("leaving an expert out takes its task along; two always stay", () => {
  const settings = new Settings();
  settings.use(recipeOf(fakeFamily(3)));
  settings.toggle("clothes");
  expect(settings.recipe.experts.map((e) => e.id)).toEqual(["digits", "letters"]);
  expect(settings.recipe.tasks.map((t) => t.id)).toEqual(["digits", "letters"]);
  settings.toggle("digits");
  expect(settings.experts).toEqual(["digits", "letters"]);
  settings.restore();
  expect(settings.experts).toHaveLength(3);
});

test("a value that no recipe may have is refused with a reason, and nothing changes", () => {
  const settings = new Settings();
  settings.use(recipeOf(fakeFamily(3)));
  expect(settings.setSwarm({ steps: -3 })).toMatch(/steps/);
  expect(settings.setSwarm({ random: "element", swarm: "subspace" })).not.toBeNull();
  expect(settings.swarm?.steps).toBe(5);
  expect(settings.setSwarm({ random: "element", swarm: "resident" })).toBeNull();
  expect(settings.evaluations).toBe(42);
});

test("a new seed is another seed; Reset keeps it", async () => {
  const app = new App(fakeLab({ experts: 3, beatMs: 0 }), { storage: "unit" });
  await app.open();
  const before = app.settings.whole.seeds.search;
  app.settings.newSeed();
  const seed = app.settings.whole.seeds.search;
  expect(seed).not.toBe(before);
  app.reset();
  expect(app.settings.whole.seeds.search).toBe(seed);
});

test("twenty clicks on Merge are one run", async () => {
  let started = 0;
  const lab = fakeLab({ experts: 3, beatMs: 0 });
  const app = new App({ ...lab, start: (recipe, options) => (started++, lab.start(recipe, options)) }, { storage: "unit" });
  await app.open();
  for (let i = 0; i < 20; i++) app.merge();
  await expect.poll(() => app.current.report !== null).toBe(true);
  expect(started).toBe(1);
});

test("an error is told with what to try, and the next run works", async () => {
  const app = new App(fakeLab({ experts: 3, beatMs: 0, failure: new LabError("offline", "digits could not be downloaded.") }), { storage: "unit" });
  await app.open();
  app.merge();
  await expect.poll(() => app.problem?.message).toBe("digits could not be downloaded.");
  expect(app.problem?.tip).toMatch(/connection/);
  expect(app.busy).toBe(false);
  expect(app.current.status).toBe("failed");
});
