/** A lab in a browser without a page of its own: what faults are tried on. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright";
import type { Job } from "../../src/headless.ts";
import type { LabEvent, LabOptions, RecipeInput, Report } from "../../src/index.ts";
import { tiny } from "./commandLine.ts";

/** The tiny recipe with some of it changed. */
export function recipe(run: Partial<{ steps: number; swarm: string }> = {}, samples: Partial<{ optimise: number; test: number }> = {}): RecipeInput {
  const raw = JSON.parse(readFileSync(tiny, "utf8"));
  return { ...raw, tasks: raw.tasks.map((task: object) => ({ ...task, ...samples })), runs: [{ ...raw.runs[0], ...run }] };
}

export interface Told {
  report: Report;
  events: LabEvent[];
}

/** Runs a job on a page that has headless.html open. `onEvent` is heard while the run goes on. */
export async function run(page: Page, job: Job, onEvent: (event: LabEvent) => void = () => undefined): Promise<Told> {
  const events: LabEvent[] = [];
  await page.exposeFunction("murmurationEvent", (json: string) => {
    const event = JSON.parse(json) as LabEvent;
    events.push(event);
    onEvent(event);
  });
  await page.waitForFunction(() => "headless" in window);
  const answer = await page.evaluate((given) => window.headless.run(given), job);
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.message}`);
  return { report: answer.value, events };
}

/** What must not change whatever happens to the machine: who was best when, and how many samples each candidate got right. */
export function course(report: Report): unknown {
  return report.runs.map(({ id, best, trace }) => ({
    id,
    best: best && [best.evaluation, best.step, best.particle],
    rows: trace.map(({ evaluation, step, particle, origin, counts, personalBest, globalBest }) => ({ evaluation, step, particle, origin, counts, personalBest, globalBest })),
  }));
}

export const options = (given: LabOptions = {}): LabOptions => ({ storage: "test", ...given });
