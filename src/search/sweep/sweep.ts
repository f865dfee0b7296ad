/**
 * One number tuned by two plain grids: the first half of the evaluations evenly over the interval, both ends included;
 * the second half evenly between the best of those and its neighbours. No value is tried twice. Up to three: one grid.
 */
import { ListedSearch, type Entry } from "../listed.ts";
import { beats } from "../ranking.ts";
import type { Search, Told } from "../types.ts";

export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly evaluations: number;
}

export function openSweep(interval: Interval, entry: (value: number) => Entry): Search {
  const coarse = coarseGrid(interval);
  let fine: number[] | null = null; // known once the coarse grid is told, and never changes after
  return new ListedSearch(interval.evaluations, coarse.length, (evaluation, told) => {
    const value = coarse[evaluation];
    if (value !== undefined) return entry(value);
    fine ??= fineGrid(coarse, bestOf(told), interval.evaluations - coarse.length);
    const next = fine[evaluation - coarse.length];
    return next === undefined ? null : entry(next);
  });
}

/** ⌈n/2⌉ values from low to high, all of them when there are at most three; a single one lies in the middle. */
export function coarseGrid({ low, high, evaluations }: Interval): number[] {
  const n = evaluations <= 3 ? evaluations : Math.ceil(evaluations / 2);
  if (n === 1) return [low + (high - low) / 2];
  return Array.from({ length: n }, (_, i) => (i === n - 1 ? high : low + ((high - low) * i) / (n - 1)));
}

/** `n` values inside the gaps beside the best, half in each; all in the one gap of an end. None when nothing was finite. */
export function fineGrid(coarse: readonly number[], best: number | null, n: number): number[] {
  const at = best === null ? undefined : coarse[best];
  if (best === null || at === undefined) return [];
  const [left, right] = [coarse[best - 1], coarse[best + 1]];
  if (left === undefined && right === undefined) return [];
  if (left === undefined) return inside(at, right ?? at, n);
  if (right === undefined) return inside(left, at, n);
  return [...inside(left, at, Math.floor(n / 2)), ...inside(at, right, Math.ceil(n / 2))];
}

function inside(low: number, high: number, n: number): number[] {
  return Array.from({ length: n }, (_, i) => low + ((high - low) * (i + 1)) / (n + 1));
}

function bestOf(told: readonly Told[]): number | null {
  let best: { at: number; fitness: number } | null = null;
  told.forEach((fitness, at) => {
    if (beats(fitness, best)) best = { at, fitness };
  });
  return (best as { at: number } | null)?.at ?? null; // TypeScript does not see the assignment in the callback
}
