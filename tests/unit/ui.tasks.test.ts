/** Task by task, whatever the metric: shares, correlations below zero, perplexity that falls. */
import { expect, test } from "vitest";
import type { ModelCard, Recipe, Report, TaskCard } from "../../src/index.ts";
import { difference, value } from "../../src/ui/format.ts";
import { taskRows, type TaskSources } from "../../src/ui/plots/taskRows.ts";
import { ownAxis, sharedAxis } from "../../src/ui/plots/taskScale.ts";

const task = (id: string, metric: string, head: string | null = null): TaskCard => ({ id, title: id, head, labels: null, metric, optimise: 1, validate: 0, test: 10 });
const expert = (id: string): ModelCard => ({ id, role: "expert", title: id.toUpperCase(), summary: "", icon: "", model: `me/${id}`, parameters: 1, labels: null });
const at = (value: number, interval: [number, number] | null = null) => ({ value, n: 10, interval });

function rows(tasks: TaskCard[], tested: TaskSources["tested"], report: Partial<Report> | null = null) {
  return taskRows({ tasks, models: [expert("cola"), expert("news")], tested, recipe: { compare: [{ id: "mean", method: "linear" }] } as unknown as Recipe, mergeId: "pso", report: report as Report | null });
}

test("an expert is its own task's by head, or by name where models need none", () => {
  const tested = { cola: { cola: at(0.5), news: at(0.1) }, news: { cola: at(-0.2), news: at(0.9) }, base: { cola: at(0), news: at(0.2) } };
  const [byName, byHead] = rows([task("cola", "accuracy"), task("news", "accuracy", "news")], tested);
  expect([byName?.head, byName?.title, byName?.marks.own?.value]).toEqual(["cola", "COLA", 0.5]);
  expect([byHead?.head, byHead?.marks.own?.value]).toEqual(["news", 0.9]);
});

test("the axis reaches below zero for correlations, and is per cent for shares alone", () => {
  const matthews = rows([task("cola", "matthews"), task("news", "accuracy")], { base: { cola: at(-0.21), news: at(0.6) }, pso: { cola: at(0.3), news: at(0.7) } });
  const axis = sharedAxis(matthews);
  expect(axis?.low).toBeCloseTo(-0.3);
  expect(axis).toMatchObject({ high: 1, percent: false });
  expect(sharedAxis(rows([task("news", "exact_match")], { base: { news: at(0.02) } }))).toEqual({ low: 0, high: 1, percent: true });
  expect(matthews.at(-1)).toMatchObject({ id: "mean", metric: null, marks: { merge: { value: 0.5 } } });
});

test("perplexity has an axis of its own, better to the right, and no mean with shares but the report's", () => {
  const tasks = [task("cola", "perplexity"), task("news", "accuracy")];
  const tested = { base: { cola: at(40), news: at(0.5) }, pso: { cola: at(12, [10, 15]), news: at(0.8) } };
  const [perplexed, , mean] = rows(tasks, tested);
  const [worst, best] = ownAxis(perplexed as NonNullable<typeof perplexed>);
  expect([worst > 40, best < 10]).toEqual([true, true]);
  expect(sharedAxis(rows(tasks, tested))).toMatchObject({ percent: false });
  expect(mean?.marks).toEqual({});
  const told = rows(tasks, tested, { scores: { pso: { mean: { test: 0.44, interval: [0.4, 0.5] } } }, differences: [] } as unknown as Partial<Report>);
  expect(told.at(-1)?.marks.merge).toMatchObject({ value: 0.44, interval: [0.4, 0.5] });
});

test("scores read as their metrics do", () => {
  expect([value(0.384), value(0.384, "exact_match"), value(-0.21, "matthews"), value(12.345, "perplexity"), value(0.5, null)]).toEqual(["38.4 %", "38.4 %", "−0.210", "12.3", "0.500"]);
  expect([difference(-0.065), difference(0.21, "pearson"), difference(-3.21, "perplexity")]).toEqual(["−6.5", "+0.210", "−3.21"]);
});
