/** Data-free merges that a recipe may ask for: one candidate from numbers alone, or swept over one parameter. */
import type * as z from "zod";
import { LINEAR_RUN } from "./linear/fields.ts";
import { TASK_ARITHMETIC_RUN } from "./task_arithmetic/fields.ts";

/** Under `runs` and `compare`. */
export const mergeFields = { linear: LINEAR_RUN, task_arithmetic: TASK_ARITHMETIC_RUN } as const;

export type MergeRun = z.output<(typeof mergeFields)[keyof typeof mergeFields]>;
