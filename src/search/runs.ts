/** Fields of every run and comparison by method name: the recipe's union is made from this table. */
import type * as z from "zod";
import { LINEAR_RUN } from "./methods/linear/fields.ts";
import { TASK_ARITHMETIC_RUN } from "./methods/task_arithmetic/fields.ts";
import { PSO_MERGING } from "./pso/fields.ts";
import { RANDOM } from "./random/fields.ts";

/** Searches: they ask for scores. Only under `runs`. */
export const searchFields = { pso_merging: PSO_MERGING, random: RANDOM } as const;

/** Data-free merges: one candidate from numbers alone, or swept over one parameter. Under `runs` and `compare`. */
export const mergeFields = { linear: LINEAR_RUN, task_arithmetic: TASK_ARITHMETIC_RUN } as const;

/** Methods of the format that this version does not have yet. */
export const PLANNED = [
  "ties", "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties", "della_linear", "della", "slerp", "nuslerp",
  "model_stock", "sce", "karcher", "multislerp", "nearswap", "ram", "ramplus_tl", "arcee_fusion", "rankmean",
  "model_swarms", "cma_es", "evogm", "grid", "m2n2",
] as const;

/** A run as a parsed recipe has it. */
export type SearchRun = z.output<(typeof searchFields)[keyof typeof searchFields]>;
export type MergeRun = z.output<(typeof mergeFields)[keyof typeof mergeFields]>;
export type AnyRun = SearchRun | MergeRun;
