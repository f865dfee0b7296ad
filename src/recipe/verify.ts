/**
 * Verifying is not repeating: the search is told the shared scores, so it follows the shared path, and every local score
 * is held against the shared one: equal, a flip that samples on the edge explain, or a mismatch.
 */
import type { Verification } from "./report.ts";

/** Difference of the two highest logits under which another machine's rounding may turn an answer. */
export const FLIP_MARGIN = 1e-4;
/** Log-likelihoods this close are equal: the digest rounds them to it. */
const SAME_VALUE = 1e-4;

export interface SharedScores {
  /** null: diverged. */
  readonly fitness: number | null;
  readonly tasks: Readonly<Record<string, number>>;
  readonly counts?: Readonly<Record<string, number>>;
}

export interface LocalScores extends SharedScores {
  readonly samples: Readonly<Record<string, { readonly margin: ArrayLike<number> }>>;
}

interface Tasks {
  readonly tasks: readonly { readonly id: string }[];
}

/** What of one evaluation is not equal. `idsOf` names the samples; without it they are counted from 0. */
export function compareShared(
  run: string, evaluation: number, shared: SharedScores, local: LocalScores, { tasks }: Tasks, idsOf?: (task: string) => readonly string[],
): Verification[] {
  const where = { run, evaluation };
  if ((shared.fitness === null) !== (local.fitness === null)) {
    return [{ ...where, task: null, kind: "mismatch", measured: "diverged", shared: shared.fitness, local: local.fitness }];
  }
  if (shared.fitness === null) return [];
  return tasks.flatMap(({ id }): Verification[] => {
    const value = shared.tasks[id];
    if (value === undefined) return []; // not measured there
    const edge = closeSamples(local.samples[id]?.margin, idsOf?.(id));
    const [there, here] = [shared.counts?.[id], local.counts?.[id]];
    const turned = there === undefined || here === undefined ? 0 : Math.abs(there - here);
    if (turned > edge.length) return [{ ...where, task: id, kind: "mismatch", measured: "count", shared: there ?? null, local: here ?? null }];
    const own = local.tasks[id];
    // Samples that turned move a proportion by their share.
    const allowed = SAME_VALUE + turned / Math.max(1, local.samples[id]?.margin.length ?? 1);
    if (own === undefined || !(Math.abs(own - value) <= allowed)) {
      return [{ ...where, task: id, kind: "mismatch", measured: "value", shared: value, local: own ?? null }];
    }
    return turned === 0 ? [] : [{ ...where, task: id, kind: "flip", measured: "count", shared: there ?? null, local: here ?? null, samples: edge }];
  });
}

function closeSamples(margin: ArrayLike<number> | undefined, ids: readonly string[] | undefined): string[] {
  const close: string[] = [];
  for (let i = 0; i < (margin?.length ?? 0); i++) if ((margin?.[i] ?? Infinity) < FLIP_MARGIN) close.push(ids?.[i] ?? String(i));
  return close;
}

export interface Verdict {
  readonly status: "equal" | "flips" | "mismatch";
  /** The first one, in order of runs and evaluations. */
  readonly first: Verification | null;
  readonly sentence: string;
}

/** One sentence for the page and the command line. */
export function verdictOn(found: readonly Verification[], evaluations: number): Verdict {
  const first = found.find(({ kind }) => kind === "mismatch") ?? null;
  if (first !== null) {
    const what = first.task === null ? "one side diverged" : `${first.task} scored ${first.local ?? "nothing"} here and ${first.shared ?? "nothing"} there`;
    return { status: "mismatch", first, sentence: `Evaluation ${first.evaluation} of ${first.run} does not match: ${what}.` };
  }
  if (found.length === 0) return { status: "equal", first: null, sentence: `All ${evaluations} evaluations score the same here.` };
  return {
    status: "flips",
    first: null,
    sentence: `All ${evaluations} evaluations match but for ${found.length} where a sample on the edge (margin under ${FLIP_MARGIN}) turned.`,
  };
}
