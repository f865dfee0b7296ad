/** One data-free merge from outside (a slider, a report's candidate), held against a recipe's models. */
import { LabError } from "../lib/error.ts";
import type { MergeRun } from "../methods/runs.ts";
import { checkRun } from "./check.ts";
import { spellOutMerge } from "./complete.ts";
import { plainJson } from "./plain.ts";
import { sentences } from "./problems.ts";
import { COMPARISON } from "./runs.ts";
import type { Recipe } from "./schema.ts";

/** For those who show a method's parameters. */
export { METHOD_NAMES, type MethodName, methodSpec } from "../methods/fields.ts";
export type { MethodSpec, ParameterSpec } from "../methods/spec.ts";
export type { MergeInput } from "../methods/runs.ts";

/** A method by its name, and its parameters as a recipe's run has them. */
export interface MergeOrder {
  readonly method: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** With every default spelt out. Throws "bad-recipe", a sentence a problem. */
export function parseMerge({ method, parameters }: MergeOrder, recipe: Recipe): MergeRun {
  const problems: string[] = [];
  const written = plainJson({ id: "merge", ...parameters, method }, problems);
  const parsed = COMPARISON.safeParse(written, { reportInput: true });
  if (!parsed.success) throw new LabError("bad-recipe", sentences(parsed.error).join("\n"));
  const run = spellOutMerge(parsed.data);
  checkRun(recipe, run, "merge", problems);
  if (problems.length > 0) throw new LabError("bad-recipe", problems.join("\n"));
  return run;
}
