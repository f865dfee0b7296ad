/**
 * A whole run: searches first (their winners are what people wait for), then what stands beside them,
 * then every model on the test samples that no search has seen, then the report.
 */
import { roundWeights } from "./rounding.ts";
import type { Report, ReportRun } from "../recipe/report.ts";
import type { Recipe } from "../recipe/schema.ts";
import { flooredTasks, referencesOf, type References } from "../fitness/aggregate.ts";
import { dataFreeCandidate, settledMerge } from "../search/searches.ts";
import type { GatheredWarning } from "../methods/warnings.ts";
import type { LabEvent, Phase } from "../threads/events.ts";
import type { RunOrder } from "../threads/merge.ts";
import type { Gate } from "./gate.ts";
import { formulaText } from "./formula.ts";
import { modelSubject } from "./models.ts";
import { reportOf } from "./reporting.ts";
import { Scorer, type Scored, type Subject } from "./scoring.ts";
import { journalKey, runSearch, type RunContext, type Searched } from "./searching.ts";
import { testAll, type Tested } from "./testing.ts";
import type { Workbench } from "./workbench.ts";

export interface RunSetting {
  readonly recipe: Recipe;
  readonly bench: Workbench;
  readonly gate: Gate;
  readonly emit: (event: LabEvent) => void;
  readonly order: RunOrder;
}

export interface Finished {
  readonly report: Report;
  /** Every scored model by id: base, experts, comparisons, runs. */
  readonly subjects: ReadonlyMap<string, Subject>;
  readonly references: References | null;
  /** JSON lines: model, task, sample, prediction, score. */
  readonly predictions: string;
}

export async function runRecipe(setting: RunSetting): Promise<Finished> {
  const { recipe, bench, gate, order } = setting;
  const warnings: Extract<LabEvent, { type: "warning" }>[] = [];
  const emit = (event: LabEvent) => {
    if (event.type === "warning") warnings.push(event);
    setting.emit(event);
  };
  const scorer = new Scorer(bench, recipe, gate);
  const context: RunContext = {
    recipe, bench, scorer, gate, emit,
    journal: new Map((order.journal?.rows ?? []).map((row) => [journalKey(row.run, row.evaluation), row])),
    mode: order.mode,
    beganAt: performance.now(),
    verification: [],
  };
  const began = { at: context.beganAt, runtimeMs: bench.runtimeMs };
  const phase = (name: Phase) => emit({ type: "phase", phase: name });

  const subjects = new Map<string, Subject>();
  const optimise = new Map<string, Scored>();
  for (const id of ["base", ...recipe.experts.map((expert) => expert.id)]) {
    const subject = modelSubject(bench.columns, id);
    if (subject) subjects.set(id, subject);
  }
  if (recipe.fitness.aggregate === "normalised") {
    for (const [id, subject] of subjects) optimise.set(id, await scorer.score(subject, "optimise"));
    scorer.references = referencesOf(recipe.tasks, Object.fromEntries([...optimise].map(([id, { tasks }]) => [id, tasks])));
    const floored = flooredTasks(scorer.references);
    if (floored.length > 0) emit({ type: "warning", code: "spread-floored", message: `Base and own expert lie within 0.02 of each other on ${floored.join(", ")}: the spread that scores are normalised by was taken as 0.02 there.`, details: { tasks: floored } });
  }

  phase("search");
  const runs: ReportRun[] = [];
  for (const { id } of bench.derived) warn(id, bench.derivedWarnings.get(id) ?? []);
  for (const run of recipe.runs) await keep(await runSearch(context, run), run.id, run.id === recipe.export);

  phase("compare");
  for (const comparison of recipe.compare) {
    const candidate = dataFreeCandidate(comparison, recipe, bench.columns);
    if (candidate) await keepSubject(comparison.id, { candidate }, comparison.id === recipe.export);
    else await keep(await runSearch(context, comparison), comparison.id, comparison.id === recipe.export);
  }
  for (const [id, subject] of subjects) {
    const scored = optimise.get(id) ?? (await scorer.score(subject, "optimise"));
    optimise.set(id, scored);
    warn(id, scorer.takeWarnings());
    if (scored.fitness !== null) emit({ type: "baseline", id, fitness: scored.fitness, tasks: scored.tasks });
  }

  const validate = new Map<string, Scored>();
  if (recipe.tasks.some((task) => size(task.validate) > 0)) {
    for (const { id } of [...recipe.runs, ...recipe.compare]) {
      const subject = subjects.get(id);
      if (subject) validate.set(id, await scorer.score(subject, "validate"));
    }
  }

  phase("test");
  const tested: Tested[] = await testAll({ recipe, bench, scorer, gate, emit, subjects: inOrder(recipe, subjects, order.only) });
  phase("done");
  const formulas = Object.fromEntries([...recipe.runs, ...recipe.compare].flatMap((run) => {
    const merge = settledMerge(run, runs.find(({ id }) => id === run.id)?.best?.candidate ?? null);
    return merge === null ? [] : [[run.id, formulaText(recipe, merge, bench.merger.jobs(recipe, merge))]];
  }));
  const { report, predictions } = reportOf({ formulas, recipe, bench, runs, optimise, validate, tested, warnings, verification: order.mode === "verify" ? context.verification : null, began });
  emit({ type: "done" });
  return { report, subjects, references: scorer.references, predictions };

  async function keep({ report, winner }: Searched, id: string, exported: boolean): Promise<void> {
    runs.push(report);
    warn(id, scorer.takeWarnings());
    if (winner) await keepSubject(id, winner.subject, exported);
    else emit({ type: "warning", code: "no-winner", message: `${id} has no winner: every candidate diverged or none was scored.`, details: { run: id } });
  }

  /** What is to be written is rounded first: what is scored and reported is the rounded model. */
  async function keepSubject(id: string, subject: Subject, exported: boolean): Promise<void> {
    if (!exported || recipe.out_dtype === "float32") {
      subjects.set(id, subject);
      return;
    }
    const weights = await bench.persist(async () => {
      await scorer.place(subject);
      return bench.readWeights();
    });
    warn(id, scorer.takeWarnings());
    subjects.set(id, { weights: roundWeights(weights, recipe.out_dtype) });
  }

  /** What a method had to say of a merge, once a kind: a merge is made anew for every side it is scored on, a tuned one many times. */
  function warn(id: string, said: readonly GatheredWarning[]): void {
    for (const { code, message, tensors, details } of said) {
      if (warnings.some((known) => known.code === code && (known.details as { model?: string } | undefined)?.model === id)) continue;
      emit({ type: "warning", code, message: `${id}: ${message}`, tensors, details: { ...details, model: id } });
    }
  }
}

const size = (samples: number | readonly string[]) => (typeof samples === "number" ? samples : samples.length);

/** Winners first, then comparisons, base and experts: bars fill in by interest. */
function inOrder(recipe: Recipe, subjects: ReadonlyMap<string, Subject>, only: readonly string[] | null): Map<string, Subject> {
  const ids = [...recipe.runs.map(({ id }) => id), ...recipe.compare.map(({ id }) => id), "base", ...recipe.experts.map(({ id }) => id)];
  const ordered = new Map<string, Subject>();
  for (const id of ids) {
    const subject = subjects.get(id);
    if (subject && (only === null || only.includes(id))) ordered.set(id, subject);
  }
  return ordered;
}
