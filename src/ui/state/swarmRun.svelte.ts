/**
 * What a run has told so far, drawn from its events alone; the same class shows a live run, a kept one and a recorded one.
 * Arrays are replaced, never mutated.
 */
import type { DeviceInfo, LabEvent, ModelCard, Phase, Plane, Report, TaskCard, TraceRow } from "../../index.ts";
import { Arrivals } from "./arrivals.svelte.ts";

export type RunStatus = "idle" | "loading" | "running" | "paused" | "done" | "failed";
type Of<T extends LabEvent["type"]> = Extract<LabEvent, { type: T }>;

export interface Tested {
  readonly value: number;
  readonly n: number;
  readonly interval: readonly [number, number] | null;
}

export class SwarmRun {
  readonly arrivals = new Arrivals();
  status = $state<RunStatus>("idle");
  phase = $state<Phase | null>(null);
  device = $state.raw<DeviceInfo | null>(null);
  models = $state.raw<readonly ModelCard[]>([]);
  tasks = $state.raw<readonly TaskCard[]>([]);
  columns = $state.raw<readonly string[]>([]);
  plane = $state.raw<Plane | null>(null);
  plan = $state.raw<Of<"loaded">["plan"]>([]);
  allRows = $state.raw<readonly TraceRow[]>([]);
  proposed = $state.raw<Of<"proposed"> | null>(null);
  steps = $state.raw<readonly Of<"step">[]>([]);
  baselines = $state.raw<readonly Of<"baseline">[]>([]);
  winners = $state.raw<readonly Of<"winner">[]>([]);
  tested = $state.raw<Readonly<Record<string, Readonly<Record<string, Tested>>>>>({});
  progress = $state.raw<Of<"progress"> | null>(null);
  warnings = $state.raw<readonly Of<"warning">[]>([]);
  recovered = $state.raw<Of<"recovered"> | null>(null);
  report = $state.raw<Report | null>(null);

  /** The run the stage shows: the first that is a swarm, else the first. */
  shown = $derived((this.plan.find((p) => p.method === "pso_merging") ?? this.plan.find((p) => p.particles > 1) ?? this.plan[0])?.run ?? null);
  planned = $derived(this.plan.find((p) => p.run === this.shown) ?? null);
  rows = $derived(this.allRows.filter((row) => row.run === this.shown));
  /** Latest row of each particle, by particle number. */
  swarm = $derived(latest(this.rows));
  best = $derived(this.rows.findLast((row) => row.globalBest) ?? null);
  winner = $derived(this.winners.find((w) => w.run === this.shown) ?? null);
  experts = $derived(this.models.filter((m) => m.role === "expert").map((m) => m.id));
  diverged = $derived(this.rows.filter((row) => row.diverged).length);
  live = $derived(this.status === "loading" || this.status === "running" || this.status === "paused");
  /** Best fitness of every other run so far: lines beside the comparisons. */
  rivals = $derived(rivalsOf(this.allRows.filter((row) => row.run !== this.shown && this.plan.some((p) => p.run === row.run))));

  apply = (event: LabEvent): void => {
    this.arrivals.apply(event);
    switch (event.type) {
      case "phase":
        this.phase = event.phase;
        if (event.phase === "load" || event.phase === "compile") this.status = "loading";
        else if (event.phase !== "done" && this.status !== "paused") this.status = "running";
        break;
      case "loading":
        if (this.status === "idle") this.status = "loading";
        break;
      case "loaded":
        this.device = event.device;
        this.models = event.models;
        this.tasks = event.tasks;
        this.columns = event.columns;
        this.plane = event.plane;
        this.plan = event.plan;
        break;
      case "proposed":
        this.proposed = event;
        break;
      case "scored":
        this.#score(event);
        break;
      case "step":
        this.steps = [...this.steps, event];
        break;
      case "winner":
        this.winners = [...this.winners.filter((w) => w.run !== event.run), event];
        break;
      case "baseline":
        this.baselines = [...this.baselines.filter((b) => b.id !== event.id), event];
        break;
      case "tested": {
        const { id, task, value, n, interval } = event;
        this.tested = { ...this.tested, [id]: { ...this.tested[id], [task]: { value, n, interval } } };
        break;
      }
      case "progress":
        this.progress = event;
        break;
      case "warning":
        this.warnings = [...this.warnings.filter((w) => w.message !== event.message), event];
        break;
      case "recovered":
        this.recovered = event;
        break;
      case "paused":
        this.status = "paused";
        break;
      case "resumed":
        this.status = "running";
        break;
      case "done":
        this.status = "done";
        this.progress = null;
        break;
      case "materialised":
        break;
    }
  };

  /** After a recovery an evaluation may be told twice: the later one stands. */
  #score(event: Of<"scored">): void {
    const { type: _, ...row } = event;
    const at = this.allRows.findLastIndex((r) => r.run === row.run && r.evaluation === row.evaluation);
    this.allRows = at < 0 ? [...this.allRows, row] : this.allRows.with(at, row);
    if (this.proposed?.run === row.run && this.proposed.evaluation === row.evaluation) this.proposed = null;
  }

  finish(report: Report): void {
    this.report = report;
    this.status = "done";
    this.progress = null;
  }

  fail(): void {
    this.status = "failed";
    this.progress = null;
  }
}

function latest(rows: readonly TraceRow[]): TraceRow[] {
  const by = new Map<number, TraceRow>();
  for (const row of rows) by.set(row.particle, row);
  return [...by.values()].sort((a, b) => a.particle - b.particle);
}

function rivalsOf(rows: readonly TraceRow[]): { id: string; best: { evaluation: number; fitness: number }[] }[] {
  const out = new Map<string, { evaluation: number; fitness: number }[]>();
  for (const row of rows) {
    if (row.fitness === null) continue;
    const line = out.get(row.run) ?? [];
    const last = line.at(-1);
    if (!last || row.fitness > last.fitness) line.push({ evaluation: row.evaluation, fitness: row.fitness });
    out.set(row.run, line);
  }
  return [...out].map(([id, best]) => ({ id, best }));
}
