/** Every way to fill a run, by method name: a search is one folder and one line here. */
import type { ResidentSwarm } from "../space/types.ts";
import { coefficients, type Entry, ListedSearch } from "./listed.ts";
import { originOf, rowOf, sweepOf } from "../methods/rows.ts";
import { openPso, planPso } from "./pso/open.ts";
import { openRandom } from "./random/random.ts";
import type { AnyRun, MergeRun, SearchRun } from "./runs.ts";
import { openSweep } from "./sweep/sweep.ts";
import type { Candidate, Ground, Ingredients, Plan, Search } from "./types.ts";

/** `residence`: the weights a resident swarm lives in, to be let go by whoever made them. */
export interface OpenedSearch<R extends ResidentSwarm> {
  readonly search: Search;
  readonly residence?: R;
}

interface SearchMethod<Run> {
  plan(run: Run, ingredients: Ingredients): Plan;
  open<R extends ResidentSwarm>(run: Run, ingredients: Ingredients, ground: Ground<R>): Promise<OpenedSearch<R>>;
}

type Runs = { [M in SearchRun["method"]]: Extract<SearchRun, { method: M }> };

const searches: { readonly [M in keyof Runs]: SearchMethod<Runs[M]> } = {
  pso_merging: { plan: planPso, open: openPso },
  random: {
    plan: ({ evaluations }) => ({ evaluations, particles: 1, steps: evaluations - 1 }),
    open: async (run, ingredients, { columns }) => ({ search: openRandom(run, ingredients, columns) }),
  },
};

function searchMethod(method: string): SearchMethod<AnyRun> | null {
  // Each entry takes its own run; the caller gives it the run whose `method` it was looked up by.
  return Object.hasOwn(searches, method) ? (searches[method as keyof Runs] as unknown as SearchMethod<AnyRun>) : null;
}

/** How long a run is, known before anything is loaded. */
export function planOf(run: AnyRun, ingredients: Ingredients): Plan {
  const search = searchMethod(run.method);
  if (search !== null) return search.plan(run, ingredients);
  const evaluations = sweepOf(run as MergeRun)?.evaluations ?? 1;
  return { evaluations, particles: 1, steps: evaluations - 1 };
}

/** True when a run asks for scores to choose by; false when its one candidate is known beforehand. */
export function isSearch(run: AnyRun): boolean {
  return searchMethod(run.method) !== null || sweepOf(run as MergeRun) !== null;
}

/** A data-free merge with nothing left to tune, as it is scored: coefficients where it is no more than these. Null for searches. */
export function dataFreeCandidate(run: AnyRun, ingredients: Ingredients, columns: readonly string[]): Candidate | null {
  return isSearch(run) ? null : mergeCandidate(run as MergeRun, ingredients, columns);
}

function mergeCandidate(run: MergeRun, ingredients: Ingredients, columns: readonly string[]): Candidate {
  const row = rowOf(run, ingredients, columns);
  if (row !== null) return coefficients(row);
  const { id: _, method, ...rest } = run;
  // Fields that were not written are not there, so that a candidate is the same as JSON and in memory.
  return { kind: "method", method, parameters: Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) };
}

/** A data-free merge with nothing open: as it stands, or as `best` of its sweep says. Null for other searches, and where `best` is coefficients. */
export function settledMerge(run: AnyRun, best: Candidate | null): MergeRun | null {
  if (searchMethod(run.method) !== null) return null;
  if (sweepOf(run as MergeRun) === null) return run as MergeRun;
  return best?.kind === "method" ? ({ ...best.parameters, id: run.id, method: best.method } as unknown as MergeRun) : null;
}

/** Opens any run or comparison. A data-free merge is a search of one evaluation. */
export async function openSearch<R extends ResidentSwarm>(run: AnyRun, ingredients: Ingredients, ground: Ground<R>): Promise<OpenedSearch<R>> {
  const search = searchMethod(run.method);
  if (search !== null) return search.open(run, ingredients, ground);
  const entry = (settled: MergeRun): Entry => ({ origin: originOf(settled), candidate: mergeCandidate(settled, ingredients, ground.columns) });
  const sweep = sweepOf(run as MergeRun);
  if (sweep !== null) return { search: openSweep(sweep, (value) => entry(sweep.at(value))) };
  return { search: new ListedSearch(1, 1, () => entry(run as MergeRun)) };
}
