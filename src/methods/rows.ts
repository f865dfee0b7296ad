/** Data-free merges by method name: one folder and one line each. */
import type { MergeRun } from "./runs.ts";
import { type Ingredients, short } from "./coefficients.ts";
import { linear } from "./linear/row.ts";
import { taskArithmetic } from "./task_arithmetic/row.ts";

/** One parameter left open: an interval of values, each a merge. */
export interface Sweep<Run> {
  readonly low: number;
  readonly high: number;
  readonly evaluations: number;
  readonly at: (value: number) => Run;
}

export interface MergeMethod<Run> {
  /** Coefficients over the columns, of a run with nothing left open. */
  row(run: Run, ingredients: Ingredients, columns: readonly string[]): Float64Array;
  /** How the trace names it: "task_arithmetic(0.3)". */
  origin(run: Run): string;
  /** What a run leaves to be tuned, or null. */
  sweep(run: Run): Sweep<Run> | null;
}

type Runs = { [M in MergeRun["method"]]: Extract<MergeRun, { method: M }> };

const settled = (lambda: Runs["task_arithmetic"]["lambda"]) => (typeof lambda === "number" ? lambda : lambda.tune[0]);

const methods: { readonly [M in keyof Runs]: MergeMethod<Runs[M]> } = {
  linear: { row: linear, origin: () => "linear", sweep: () => null },
  task_arithmetic: {
    row: (run, ingredients, columns) => taskArithmetic({ ...run, lambda: settled(run.lambda) }, ingredients, columns),
    origin: ({ lambda }) => `task_arithmetic(${short(settled(lambda))})`,
    sweep: (run) => {
      if (typeof run.lambda === "number") return null;
      const { tune: [low, high], evaluations } = run.lambda;
      return { low, high, evaluations, at: (lambda) => ({ ...run, lambda }) };
    },
  },
};

export function mergeMethod(method: string): MergeMethod<MergeRun> | null {
  // Each entry takes its own run; the caller gives it the run whose `method` it was looked up by.
  return Object.hasOwn(methods, method) ? (methods[method as keyof Runs] as unknown as MergeMethod<MergeRun>) : null;
}
