/** One run of a search: propose → materialise → score → tell, with everything told to the page and the journal kept. */
import type { Recipe } from "../recipe/schema.ts";
import type { ReportRun, Verification } from "../recipe/report.ts";
import { digestOf } from "../recipe/digest.ts";
import { compareShared } from "../recipe/verify.ts";
import { openSearch } from "../search/searches.ts";
import type { AnyRun } from "../search/runs.ts";
import type { Candidate, Proposal, Search } from "../search/types.ts";
import type { LabEvent, TraceRow } from "../threads/events.ts";
import type { Journal } from "../threads/merge.ts";
import type { Gate } from "./gate.ts";
import type { Residence } from "./residence.ts";
import type { Scored, Scorer, Subject } from "./scoring.ts";
import type { Workbench } from "./workbench.ts";

export interface RunContext {
  readonly recipe: Recipe;
  readonly bench: Workbench;
  readonly scorer: Scorer;
  readonly gate: Gate;
  readonly emit: (event: LabEvent) => void;
  /** Rows scored before, by run and evaluation. */
  readonly journal: ReadonlyMap<string, Journal["rows"][number]>;
  readonly mode: "run" | "verify";
  readonly beganAt: number;
  readonly verification: Verification[];
}

export interface Winner {
  readonly id: string;
  /** Places the winner's weights, whatever the search kept them as. */
  readonly subject: Subject;
  readonly proposal: Proposal;
  readonly candidate: Candidate;
  readonly fitness: number;
  readonly tasks: Record<string, number>;
}

export interface Searched {
  readonly report: ReportRun;
  readonly winner: Winner | null;
}

export const journalKey = (run: string, evaluation: number) => `${run}#${evaluation}`;

export async function runSearch(context: RunContext, run: AnyRun): Promise<Searched> {
  const { bench, gate, recipe } = context;
  const begin = performance.now();
  const runtimeBegin = bench.runtimeMs;
  const inferencesBegin = bench.inferences;
  const { search, residence } = await openSearch(run, recipe, bench);
  const trace = await follow(context, run, search, residence);
  const winner = await chooseWinner(context, run, search, trace, residence);
  if (residence) bench.leave(residence);
  if (winner) {
    context.emit({ type: "winner", run: run.id, evaluation: winner.proposal.evaluation, fitness: winner.fitness, tasks: winner.tasks, ms: performance.now() - context.beganAt });
  }
  const report: ReportRun = {
    id: run.id,
    method: run.method,
    digest: await digestOf(trace, recipe),
    basis: bench.columns,
    groups: trace.some(({ candidate }) => candidate.kind === "grouped") ? bench.loaded.alignment.space.segments.map(({ name }) => name) : ["all"],
    trace,
    best: winner && { evaluation: winner.proposal.evaluation, step: winner.proposal.step, particle: winner.proposal.particle, candidate: winner.candidate },
    ...(gate.stopRequested ? { stopped: true as const } : {}),
    cost: {
      proposals: trace.length,
      evaluations: trace.length,
      inferences: bench.inferences - inferencesBegin,
      wallMs: performance.now() - begin,
      runtimeMs: bench.runtimeMs - runtimeBegin,
    },
  };
  return { report, winner };
}

/** The loop itself: one row a proposal. */
async function follow(context: RunContext, run: AnyRun, search: Search, residence: Residence | undefined): Promise<TraceRow[]> {
  const { gate, emit } = context;
  const trace: TraceRow[] = [];
  let step = -1;
  for (;;) {
    const proposal = await search.ask();
    if (proposal?.step !== step) {
      if (step >= 0) emit(stepEvent(run.id, step, search, trace));
      step = proposal?.step ?? -1;
      if (proposal && !known(context, run.id, proposal)) await gate.pass("iteration");
    } else if (!known(context, run.id, proposal)) await gate.pass("particle");
    if (!proposal || gate.stopRequested) break;
    const { candidate } = proposal;
    emit({ type: "proposed", run: run.id, evaluation: proposal.evaluation, step: proposal.step, particle: proposal.particle, origin: proposal.origin, candidate });
    const scored = await scoreProposal(context, run.id, proposal, search.peek(), residence);
    if (!scored.replayed) await gate.pass("phase");
    const outcome = await search.tell(scored.fitness);
    const row: TraceRow = {
      run: run.id,
      evaluation: proposal.evaluation,
      step: proposal.step,
      particle: proposal.particle,
      origin: proposal.origin,
      fitness: scored.fitness,
      tasks: scored.tasks,
      ...(Object.keys(scored.counts).length > 0 ? { counts: scored.counts } : {}),
      candidate,
      ...outcome,
      ...(scored.fitness === null ? { diverged: true as const } : {}),
    };
    trace.push(row);
    emit({ type: "scored", ...row, ...(scored.replayed ? { replayed: true as const } : {}) });
    emit(progress(context, search, trace.length));
  }
  return trace;
}

function known(context: RunContext, run: string, proposal: Proposal): boolean {
  return context.mode === "run" && context.journal.has(journalKey(run, proposal.evaluation));
}

type ToTell = Pick<Scored, "fitness" | "tasks" | "counts"> & { replayed: boolean };

/** From the journal where it is known, else materialised and scored here; when verifying, both. */
async function scoreProposal(context: RunContext, run: string, proposal: Proposal, next: Candidate | null, residence: Residence | undefined): Promise<ToTell> {
  const shared = context.journal.get(journalKey(run, proposal.evaluation));
  if (shared && context.mode === "run") return { fitness: shared.fitness, tasks: shared.tasks, counts: shared.counts ?? {}, replayed: true };
  const local = await context.scorer.score(residence ? { candidate: proposal.candidate, residence } : { candidate: proposal.candidate }, "optimise", {
    brief: true,
    next,
    onPlaced: (ms) => context.emit({ type: "materialised", run, evaluation: proposal.evaluation, ms }),
  });
  if (!shared) return { ...local, replayed: false };
  context.verification.push(...compareShared(run, proposal.evaluation, shared, local, context.recipe, (task) => context.bench.loaded.tasks.find(({ id }) => id === task)?.sides.optimise.ids ?? []));
  return { fitness: shared.fitness, tasks: shared.tasks, counts: shared.counts ?? {}, replayed: false };
}

function stepEvent(run: string, step: number, search: Search, trace: readonly TraceRow[]): LabEvent {
  const rows = trace.filter((row) => row.step === step);
  const best = search.best();
  const personal = personalBests(trace);
  const finite = rows.map(({ fitness }) => fitness).filter((fitness) => fitness !== null).sort((a, b) => a - b);
  return {
    type: "step",
    run,
    step,
    best: best && { evaluation: best.proposal.evaluation, particle: best.proposal.particle, fitness: best.fitness },
    personal,
    median: finite.length > 0 ? finite[Math.floor(finite.length / 2)] : null,
  };
}

/** Best fitness a particle so far. */
function personalBests(trace: readonly TraceRow[]): (number | null)[] {
  const bests: (number | null)[] = [];
  for (const { particle, fitness } of trace) {
    const best = bests[particle] ?? null;
    bests[particle] = fitness !== null && (best === null || fitness > best) ? fitness : best;
  }
  return bests;
}

function progress(context: RunContext, search: Search, done: number): LabEvent {
  const total = search.plan.evaluations;
  const elapsedMs = performance.now() - context.beganAt;
  return { type: "progress", phase: "search", done, total, secondsLeft: done > 0 ? (elapsedMs / done) * (total - done) / 1000 : null };
}

/** How many of the best are measured on `validate`, where a recipe asks for it. */
const finalistCount = 5;

/**
 * The global best; with `validate` samples the best on those among the search's own bests.
 * Weights of a resident winner are read once, so that its swarm can be let go.
 */
async function chooseWinner(context: RunContext, run: AnyRun, search: Search, trace: readonly TraceRow[], residence: Residence | undefined): Promise<Winner | null> {
  const best = search.best();
  if (!best) return null;
  let chosen: { proposal: Proposal; candidate: Candidate; fitness: number } = best;
  const finalists = search.finalists(finalistCount);
  if (context.bench.loaded.tasks.some((task) => task.sides.validate.count > 0) && finalists.length > 1) {
    let highest = -Infinity;
    for (const finalist of finalists) {
      const { fitness } = await context.scorer.score(subjectOf(finalist.candidate, residence), "validate");
      if (fitness === null || fitness <= highest) continue; // strictly higher wins, the earlier stays
      highest = fitness;
      chosen = finalist;
    }
  }
  const tasks = trace.find(({ evaluation }) => evaluation === chosen.proposal.evaluation)?.tasks ?? {};
  let subject = subjectOf(chosen.candidate, residence);
  if (residence) {
    await context.bench.persist(() => context.scorer.place(subject));
    subject = { weights: await context.bench.readWeights() };
  }
  return { id: run.id, subject, proposal: chosen.proposal, candidate: chosen.candidate, fitness: chosen.fitness, tasks };
}

function subjectOf(candidate: Candidate, residence: Residence | undefined): Subject {
  return residence ? { candidate, residence } : { candidate };
}
