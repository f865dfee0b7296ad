/** Which merges are nothing but coefficients over the experts' task vectors, and how any merge is called in a trace. */
import { type Ingredients, short } from "./coefficients.ts";
import { methodSpec } from "./fields.ts";
import { linear } from "./linear/row.ts";
import { type MergeRun, type MergeStart, parameterOf, tunesOf } from "./runs.ts";
import { taskArithmetic } from "./task_arithmetic/row.ts";

/** One parameter left open: an interval of values, each a merge. */
export interface Sweep {
  readonly low: number;
  readonly high: number;
  readonly evaluations: number;
  readonly at: (value: number) => MergeRun;
}

/** What a run leaves to be tuned, or null. Of several only the first: a recipe with more is refused. */
export function sweepOf(run: MergeRun): Sweep | null {
  const [open] = tunesOf(run);
  if (open === undefined) return null;
  const { name, tune: { tune: [low, high], evaluations } } = open;
  return { low, high, evaluations, at: (value) => ({ ...run, [name]: value }) };
}

type Experts = Ingredients["experts"];

/** True for a plain weighted sum: linear and task_arithmetic of experts whose numbers are the same in every tensor. */
export function isRow(run: MergeStart & Pick<MergeRun, "slices">, experts: Experts): boolean {
  if ((run.method !== "linear" && run.method !== "task_arithmetic") || run.slices !== undefined) return false;
  if (run.method === "task_arithmetic" && (run.base_model ?? "base") !== "base") return false;
  const merged = mergedExperts(run, experts);
  return merged.length === (run.models ?? experts).length && merged.every(({ parameters }) => typeof parameters.weight === "number")
    && ["normalize", "lambda"].every((name) => !Array.isArray(parameterOf(run as MergeRun, name)));
}

/** Experts the run names, in the recipe's order; all where it names none. */
function mergedExperts({ models }: MergeStart, experts: Experts): Experts {
  return models === undefined ? experts : experts.filter(({ id }) => models.includes(id));
}

/** Coefficients over the columns, of a run with nothing left open; null where `isRow` is false. */
export function rowOf(run: MergeStart & Pick<MergeRun, "slices">, { experts }: Ingredients, columns: readonly string[]): Float64Array | null {
  if (!isRow(run, experts)) return null;
  const merged = { experts: mergedExperts(run, experts) };
  const { weights } = run;
  const normalize = parameterOf(run as MergeRun, "normalize") === true;
  if (run.method === "linear") return linear({ weights, normalize }, merged, columns);
  return taskArithmetic({ weights, normalize, lambda: parameterOf(run as MergeRun, "lambda") as number }, merged, columns);
}

/** The one number a method is known by, said without its name. */
const CHIEF = ["density", "t", "lambda", "select_topk"] as const;
/** Fields that are no parameters, or are spelt out in others. */
const UNSAID = ["id", "method", "semantics", "slices"];

/** How the trace names it: "linear", "task_arithmetic(0.3)", "ties(0.2,lambda=1.5)"; who weighs how much stands in the candidate. */
export function originOf(run: MergeStart): string {
  return named({ ...run, weights: undefined }, short);
}

/** As a column of the basis: two merges of one recipe have the same name only where they are the same merge, and no expert has it. */
export function columnNameOf(run: MergeStart): string {
  const name = named(run, String);
  return name.endsWith(")") ? name : `${name}()`;
}

function named(run: MergeStart, figure: (value: number) => string): string {
  const { perModel, whole } = methodSpec(run.method);
  const known = run.method === "task_arithmetic" ? whole : { ...perModel, ...whole };
  const chief = CHIEF.find((name) => name in known);
  // No colon: that stands between an expert and what was done to it.
  const show = (value: unknown): string => {
    if (typeof value === "number") return figure(value);
    if (Array.isArray(value)) return `[${value.map(show).join(",")}]`;
    if (typeof value === "object" && value !== null) return `{${Object.entries(value).map(([key, inner]) => `${key}=${show(inner)}`).join(",")}}`;
    return String(value);
  };
  const said = Object.entries(run).filter(([name, value]) => value !== undefined && !UNSAID.includes(name) && name !== chief && value !== known[name]?.default);
  const first = chief === undefined ? null : (parameterOf(run as MergeRun, chief) ?? known[chief]?.default ?? null);
  const words = [...(first === null ? [] : [show(first)]), ...said.map(([name, value]) => `${name}=${show(value)}`)];
  return words.length === 0 ? run.method : `${run.method}(${words.join(",")})`;
}
