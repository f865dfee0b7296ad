/** Fields of every run and comparison by method name: the recipe's union is made from this table. */
import type * as z from "zod";
import { type MergeRun, mergeFields } from "../methods/runs.ts";
import { PSO_MERGING } from "./pso/fields.ts";
import { RANDOM } from "./random/fields.ts";

/** Searches: they ask for scores. Only under `runs`. */
export const searchFields = { pso_merging: PSO_MERGING, random: RANDOM } as const;

export { mergeFields, type MergeRun };

/** Methods of the format that this version does not have yet. */
export const PLANNED = [
  "ties", "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties", "della_linear", "della", "slerp", "nuslerp",
  "model_stock", "sce", "karcher", "multislerp", "nearswap", "ram", "ramplus_tl", "arcee_fusion", "rankmean",
  "model_swarms", "cma_es", "evogm", "grid", "m2n2",
] as const;

/** A run as a parsed recipe has it. */
export type SearchRun = z.output<(typeof searchFields)[keyof typeof searchFields]>;
export type AnyRun = SearchRun | MergeRun;
