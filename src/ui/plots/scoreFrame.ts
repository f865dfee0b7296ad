/** What the plot of scores draws, before pixels: lines, band, dots and a frame that hides no more than it must. */
import { quantileSorted } from "d3-array";
import type { TraceRow } from "../../index.ts";

export interface StepPoint {
  readonly evaluation: number;
  readonly value: number;
}

export interface ScoreFrame {
  readonly dots: readonly (StepPoint & { readonly row: TraceRow; readonly below: boolean })[];
  /** Global best so far: a staircase. */
  readonly best: readonly StepPoint[];
  /** Quartiles of each step of the swarm, at its middle. */
  readonly band: readonly { readonly evaluation: number; readonly low: number; readonly high: number }[];
  readonly y: readonly [number, number];
  readonly below: number;
}

export function scoreFrame(rows: readonly TraceRow[], lines: readonly number[]): ScoreFrame {
  const scored = rows.filter((row): row is TraceRow & { fitness: number } => row.fitness !== null);
  const best: { evaluation: number; value: number }[] = [];
  for (const row of scored) {
    const last = best.at(-1);
    if (!last || row.fitness > last.value) best.push({ evaluation: row.evaluation, value: row.fitness });
  }
  const steps = byStep(scored);
  const band = [...steps.values()].flatMap((step) => {
    const sorted = step.map((row) => row.fitness).sort((a, b) => a - b);
    const first = step[0];
    const last = step[step.length - 1];
    if (!first || !last || sorted.length < 3) return [];
    return [{ evaluation: (first.evaluation + last.evaluation) / 2, low: quantileSorted(sorted, 0.25) ?? 0, high: quantileSorted(sorted, 0.75) ?? 0 }];
  });
  const y = range(scored.map((row) => row.fitness), lines);
  const dots = scored.map((row) => ({ evaluation: row.evaluation, value: Math.max(row.fitness, y[0]), row, below: row.fitness < y[0] }));
  return { dots, best, band, y, below: dots.filter((dot) => dot.below).length };
}

/** Highest to lowest, but a few points far below the rest (a sparsified start, say) do not flatten everything. */
function range(values: readonly number[], lines: readonly number[]): [number, number] {
  const all = [...values, ...lines];
  if (all.length === 0) return [0, 1];
  const sorted = [...all].sort((a, b) => a - b);
  const [lowest = 0, highest = 1] = [sorted[0], sorted[sorted.length - 1]];
  const middle = quantileSorted(sorted, 0.5) ?? 0;
  const reach = Math.max(highest - middle, middle - (quantileSorted(sorted, 0.25) ?? middle), 0.01);
  const low = Math.max(lowest, Math.min(middle - 2.6 * reach, ...lines.filter((line) => line > middle - 4 * reach)));
  const pad = Math.max((highest - low) * 0.06, 0.005);
  return [low - pad, highest + pad];
}

function byStep(rows: readonly (TraceRow & { fitness: number })[]): Map<number, (TraceRow & { fitness: number })[]> {
  const out = new Map<number, (TraceRow & { fitness: number })[]>();
  for (const row of rows) out.set(row.step, [...(out.get(row.step) ?? []), row]);
  return out;
}
