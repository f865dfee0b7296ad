/** What happened, as a report: scores with intervals, paired differences, traces, cost, and predictions line by line. */
import { metricOf } from "../fitness/metrics/table.ts";
import { meritOf, type Outputs } from "../fitness/metrics/types.ts";
import type { SampleScores } from "../fitness/types.ts";
import type { Report, ReportRun, Score, Verification } from "../recipe/report.ts";
import type { Recipe } from "../recipe/schema.ts";
import { intervalOf, meanInterval, pairedDifferences, type ModelSamples, type TaskSamples } from "../recipe/statistics.ts";
import type { LabEvent } from "../threads/events.ts";
import type { LoadedTask } from "./loading.ts";
import { outputsOf, type Scored } from "./scoring.ts";
import type { Tested } from "./testing.ts";
import type { Workbench } from "./workbench.ts";

interface ReportSetting {
  recipe: Recipe;
  bench: Workbench;
  runs: readonly ReportRun[];
  /** Of data-free merges, by id. */
  formulas: Readonly<Record<string, string>>;
  /** Scores on `optimise` by model id. */
  optimise: ReadonlyMap<string, Scored>;
  /** Scores on `validate`, of runs and comparisons, where a recipe has such samples. */
  validate: ReadonlyMap<string, Scored>;
  tested: readonly Tested[];
  warnings: readonly Extract<LabEvent, { type: "warning" }>[];
  /** Null when nothing was to be verified. */
  verification: Verification[] | null;
  began: { at: number; runtimeMs: number };
}

export function reportOf(setting: ReportSetting): { report: Report; predictions: string } {
  const { recipe, bench, runs, formulas, optimise, validate, tested, warnings, verification, began } = setting;
  const samples = new Map(tested.filter(({ diverged }) => !diverged).map((model) => [model.id, samplesOf(bench, model)]));
  const scores: Report["scores"] = {};
  for (const [id, scored] of optimise) scores[id] = scoresOf(recipe, scored, validate.get(id) ?? null, samples.get(id) ?? null);
  const memory = (performance as Performance & { memory?: { usedJSHeapSize: number } }).memory;
  const report: Report = {
    murmuration: 1,
    recipe: resolved(recipe, bench),
    device: bench.equipment.info,
    scores,
    differences: differencesOf(recipe, samples),
    runs: [...runs],
    ...(Object.keys(formulas).length > 0 ? { formulas: { ...formulas } } : {}),
    ...(verification ? { verification } : {}),
    cost: {
      wallMs: performance.now() - began.at,
      runtimeMs: bench.runtimeMs - began.runtimeMs,
      downloadBytes: bench.loaded.downloadBytes,
      modelBytes: 4 * bench.loaded.alignment.space.length,
      gpuBytesPeak: bench.equipment.gpu?.ledger.peakBytes ?? 0,
      heapBytesPeak: memory?.usedJSHeapSize ?? 0,
    },
    warnings: warnings.map(({ code, message, tensors, details }) => ({ code, message, ...(tensors === undefined ? {} : { tensors }), ...(details === undefined ? {} : { details }) })),
    files: [],
  };
  return { report, predictions: predictionsOf(bench, tested) };
}

/** What one model did on one task's test samples, for intervals and differences. */
export function taskSamples(task: LoadedTask, tested: Tested): TaskSamples | null {
  const scores = tested.samples[task.id];
  if (!scores) return null;
  const { clusters } = task.sides.test;
  return { task: task.id, weight: task.recipe.weight, metric: metricOf(task.recipe), outputs: outputsOf(task, scores, task.sides.test), clusters };
}

function samplesOf(bench: Workbench, tested: Tested): ModelSamples {
  return { id: tested.id, tasks: bench.loaded.tasks.map((task) => taskSamples(task, tested)).filter((samples) => samples !== null) };
}

const untested = { value: null, n: 0, interval: null, how: "none" };

function scoresOf(recipe: Recipe, scored: Scored, validated: Scored | null, samples: ModelSamples | null): Record<string, Score> {
  const seed = recipe.seeds.search;
  const scores: Record<string, Score> = {};
  for (const task of recipe.tasks) {
    const tested = samples?.tasks.find((one) => one.task === task.id);
    const { value, n, interval, how } = tested ? intervalOf(tested.metric, tested.outputs, tested.clusters, seed) : untested;
    scores[task.id] = { optimise: scored.metrics[task.id] ?? null, ...(validated ? { validate: validated.metrics[task.id] ?? null } : {}), test: value, n, ...(tested?.metric.proportion ? { correct: Math.round((value ?? 0) * n) } : {}), interval, how };
  }
  const mean = samples ? meanInterval(samples.tasks, seed) : untested;
  scores.mean = {
    optimise: meanMetric(recipe, scored),
    ...(validated ? { validate: meanMetric(recipe, validated) } : {}),
    test: mean.value,
    n: mean.n,
    interval: mean.interval,
    how: mean.how,
  };
  return scores;
}

/** Weighted mean over tasks that have a score, each as higher is better; null where the model diverged. */
function meanMetric(recipe: Recipe, { fitness, metrics: values }: Scored): number | null {
  const scored = recipe.tasks.filter(({ id }) => Number.isFinite(values[id]));
  const total = scored.reduce((sum, { weight }) => sum + weight, 0);
  return fitness === null || total === 0 ? null : scored.reduce((sum, task) => sum + (task.weight / total) * meritOf(metricOf(task), values[task.id]), 0);
}

/** Each run against all it stands beside, each comparison against the base. */
function differencesOf(recipe: Recipe, samples: ReadonlyMap<string, ModelSamples>): Report["differences"] {
  const runs = recipe.runs.map(({ id }) => id);
  const compare = recipe.compare.map(({ id }) => id);
  const pairs = [
    ...runs.flatMap((a) => [...runs.filter((b) => b !== a), ...compare, "base", ...recipe.experts.map(({ id }) => id)].map((b) => [a, b])),
    ...compare.map((a) => [a, "base"]),
  ];
  return pairs.flatMap(([a, b]) => {
    const [one, other] = [samples.get(a), samples.get(b)];
    return one && other ? pairedDifferences(one, other, recipe.seeds.search) : [];
  });
}

/** The recipe with what it was resolved to: a digest a file. */
function resolved(recipe: Recipe, bench: Workbench): Recipe {
  const digests = (index: number) => {
    const files = bench.loaded.models[index].model.files.filter(({ sha256 }) => sha256);
    return files.length > 0 ? { sha256: Object.fromEntries(files.map(({ path, sha256 }) => [path, sha256 as string])) } : {};
  };
  return {
    ...recipe,
    base: { ...recipe.base, ...digests(0) },
    experts: recipe.experts.map((expert, index) => ({ ...expert, ...digests(index + 1) })),
    // With what sources and kinds added.
    tasks: bench.loaded.tasks.map((task) => task.recipe),
  };
}

function predictionsOf(bench: Workbench, tested: readonly Tested[]): string {
  const lines: string[] = [];
  for (const { id, samples } of tested) {
    for (const task of bench.loaded.tasks) {
      const scores = samples[task.id];
      if (!scores) continue;
      const outputs = outputsOf(task, scores, task.sides.test);
      for (const i of task.sides.test.ids.keys()) lines.push(JSON.stringify({ model: id, task: task.id, ...predictionOf(task, scores, outputs, i) }));
    }
  }
  return lines.length > 0 ? `${lines.join("\n")}\n` : "";
}

/** What one model said to one sample, and what was wanted, as the metric takes it. `score`: 1 where right. */
function predictionOf(task: LoadedTask, scores: SampleScores, outputs: Outputs, i: number): Record<string, unknown> {
  const { test } = task.sides;
  const { proportion, sample, predict } = metricOf(task.recipe);
  const said = { sample: test.ids[i], ...wordsOf(task, scores, predict?.(outputs, i) ?? scores.predictions[i], i), score: proportion && sample ? sample(outputs, i) : scores.correct[i], logLikelihood: round(scores.logLikelihood[i]), margin: round(scores.margin[i]) };
  return Object.fromEntries(Object.entries(said).filter(([, value]) => !(typeof value === "number" && !Number.isFinite(value))));
}

function wordsOf(task: LoadedTask, { texts, choices }: SampleScores, predicted: number, i: number): Record<string, unknown> {
  const { test } = task.sides;
  const sample = test.kind === "texts" ? test.samples[i] : undefined;
  if (texts) return { prediction: texts[i], label: sample?.answer };
  if (choices) return { prediction: sample?.choices?.[predicted], label: sample?.choices?.[test.labels[i]], choices: choices[i]?.sums.map(round) };
  if (task.texts?.kind === "regression") return { prediction: round(predicted), label: test.labels[i] };
  return { prediction: task.labels[predicted] ?? null, label: task.labels[test.labels[i]] ?? sample?.answer };
}

const round = (value: number) => Math.round(value * 1e6) / 1e6;
