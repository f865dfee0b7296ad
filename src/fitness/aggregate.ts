/** From the tasks' scores to the one number a search climbs. Sums run in the recipe's order of tasks. */
export type Aggregate = "mean" | "normalised" | "worst";

interface Task {
  readonly id: string;
  readonly weight: number;
}

/** The two ends of `normalised`: what the base and the task's own expert score. */
export type References = Readonly<Record<string, { readonly base: number; readonly own: number }>>;

/** A narrower spread between base and expert would blow noise up: it is taken as this wide, and said. */
export const LEAST_SPREAD = 0.02;

/** Tasks without a score (no samples on this side) are left out. NaN where none has one. */
export function aggregate(tasks: readonly Task[], values: Readonly<Record<string, number>>, how: Aggregate, references: References | null = null): number {
  let sum = 0;
  let weights = 0;
  let worst = Infinity;
  let scored = 0;
  for (const { id, weight } of tasks) {
    const value = Object.hasOwn(values, id) ? values[id] : undefined;
    if (value === undefined || Number.isNaN(value)) continue;
    const scaled = how === "normalised" ? normalised(value, references?.[id]) : value;
    scored++;
    worst = Math.min(worst, scaled);
    sum += weight * scaled;
    weights += weight;
  }
  if (scored === 0) return NaN;
  return how === "worst" ? worst : sum / weights;
}

/** 0 where the base stands, 1 where the task's own expert stands. Without references the score as it is. */
export function normalised(value: number, ends: References[string] | undefined): number {
  return ends === undefined ? value : (value - ends.base) / Math.max(ends.own - ends.base, LEAST_SPREAD);
}

/** References from scores by model and task: the own expert is the one whose head scores the task, else the best expert. */
export function referencesOf(
  tasks: readonly { readonly id: string; readonly head?: string | undefined }[],
  scores: Readonly<Record<string, Readonly<Record<string, number>>>>,
): References {
  const own = ({ id, head }: { id: string; head?: string | undefined }) =>
    (head === undefined ? undefined : scores[head]?.[id]) ?? Math.max(...Object.entries(scores).flatMap(([model, values]) => (model === "base" ? [] : [values[id] ?? -Infinity])));
  return Object.fromEntries(tasks.map((task) => [task.id, { base: scores.base?.[task.id] ?? NaN, own: own(task) }]));
}

/** Tasks whose spread was floored: the report says so. */
export function flooredTasks(references: References): string[] {
  return Object.entries(references).filter(([, { base, own }]) => own - base < LEAST_SPREAD).map(([id]) => id);
}
