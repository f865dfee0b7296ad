/** Every model on every task's test samples, which no search has seen. */
import { neverMatches } from "../fitness/tasks/never.ts";
import type { SampleScores } from "../fitness/types.ts";
import { intervalOf } from "../recipe/statistics.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { LabEvent } from "../threads/events.ts";
import type { Gate } from "./gate.ts";
import { taskSamples } from "./reporting.ts";
import type { Scorer, Subject } from "./scoring.ts";
import type { Workbench } from "./workbench.ts";

export interface Tested {
  readonly id: string;
  /** By task; missing where the model diverged. */
  readonly samples: Readonly<Record<string, SampleScores>>;
  readonly diverged: boolean;
}

interface TestSetting {
  recipe: Recipe;
  bench: Workbench;
  scorer: Scorer;
  gate: Gate;
  emit: (event: LabEvent) => void;
  subjects: ReadonlyMap<string, Subject>;
}

export async function testAll({ recipe, bench, scorer, gate, emit, subjects }: TestSetting): Promise<Tested[]> {
  const tasks = bench.loaded.tasks.filter((task) => task.sides.test.count > 0);
  const total = subjects.size * tasks.length;
  const begin = performance.now();
  const all: Tested[] = [];
  let done = 0;
  if (tasks.length === 0) return [];
  for (const [id, subject] of subjects) {
    await gate.pass("particle");
    const samples: Record<string, SampleScores> = {};
    const scored = await scorer.score(subject, "test", { tasks: tasks.map((task) => task.id) });
    const diverged = scored.fitness === null;
    if (!diverged) Object.assign(samples, scored.samples);
    for (const task of tasks) {
      const values = taskSamples(task, { id, samples, diverged });
      if (!values) continue;
      const { value, n, interval } = intervalOf(values.metric, values.outputs, values.clusters, recipe.seeds.search);
      emit({ type: "tested", id, task: task.id, value, n, interval: interval && [interval[0], interval[1]] });
    }
    done += tasks.length;
    const elapsedMs = performance.now() - begin;
    emit({ type: "progress", phase: "test", done, total, secondsLeft: ((elapsedMs / done) * (total - done)) / 1000 });
    if (diverged) emit({ type: "warning", code: "diverged", message: `${id} gives scores that are not finite numbers; it has no test scores.`, details: { model: id } });
    all.push({ id, samples, diverged });
  }
  for (const task of tasks) {
    const scored = all.flatMap(({ id, samples }) => (samples[task.id] ? [{ id, scores: samples[task.id] }] : []));
    const warning = neverMatches(task, task.sides.test, scored.sort((a, b) => Number(b.id === "base") - Number(a.id === "base")));
    if (warning) emit({ type: "warning", ...warning });
  }
  return all;
}
