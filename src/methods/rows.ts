/** Data-free merges by method name: one folder and one line each. */
import type { LinearMerge, MergeRun, TaskArithmeticMerge } from "./runs.ts";
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

interface Runs {
  linear: LinearMerge;
  task_arithmetic: TaskArithmeticMerge;
}

type Lambda = TaskArithmeticMerge["lambda"];
const isTune = (lambda: Lambda) => typeof lambda === "object" && "tune" in lambda;
/** `rowProblem` is null here: what is no number is an interval. */
const settled = (lambda: Lambda) => (typeof lambda === "number" ? lambda : isTune(lambda) ? lambda.tune[0] : NaN);

/** Why a merge is no single row of coefficients, as a predicate, or null where it is one. */
export function rowProblem(run: MergeRun, experts: readonly { readonly id: string; readonly parameters: { readonly weight: unknown } }[]): string | null {
  const { method, models, slices, base_model } = run;
  if (!Object.hasOwn(methods, method)) return `names ${method}, which merges folders of safetensors so far, without tasks`;
  if (slices !== undefined) return "has slices, which make another graph than the one that is scored";
  if (base_model != null && base_model !== "base") return "takes an expert as base_model, which only folders of safetensors can";
  if (models !== undefined && (models.includes("base") || models.length < experts.length)) return "names its models; where tasks are scored all experts are merged";
  const varies = (value: unknown) => Array.isArray(value);
  if ([method === "linear" || method === "task_arithmetic" ? (run as LinearMerge).normalize : null, method === "task_arithmetic" ? (run as TaskArithmeticMerge).lambda : null].some(varies)) return "has a parameter that varies over tensors, which only folders of safetensors can have so far";
  const varying = experts.find(({ parameters }) => varies(parameters.weight));
  return varying === undefined ? null : `merges ${varying.id}, whose weight varies over tensors, which only folders of safetensors can have so far`;
}

const methods: { readonly [M in keyof Runs]: MergeMethod<Runs[M]> } = {
  linear: { row: ({ weights, normalize }, ingredients, columns) => linear({ weights, normalize: normalize === true }, ingredients, columns), origin: () => "linear", sweep: () => null },
  task_arithmetic: {
    row: ({ weights, normalize, lambda }, ingredients, columns) => taskArithmetic({ weights, normalize: normalize === true, lambda: settled(lambda) }, ingredients, columns),
    origin: ({ lambda }) => `task_arithmetic(${short(settled(lambda))})`,
    sweep: (run) => {
      if (typeof run.lambda !== "object" || !isTune(run.lambda)) return null;
      const { tune: [low, high], evaluations } = run.lambda;
      return { low, high, evaluations, at: (lambda) => ({ ...run, lambda }) };
    },
  },
};

export function mergeMethod(method: string): MergeMethod<MergeRun> | null {
  // Each entry takes its own run; the caller gives it the run whose `method` it was looked up by.
  return Object.hasOwn(methods, method) ? (methods[method as keyof Runs] as unknown as MergeMethod<MergeRun>) : null;
}
