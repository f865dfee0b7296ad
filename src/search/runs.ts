/** Fields of every run and comparison by method name: the recipe's union is made from this table. */
import type * as z from "zod";
import { mergeFields, type MergeInput, type MergeRun } from "../methods/runs.ts";
import { PSO_MERGING } from "./pso/fields.ts";
import { RANDOM } from "./random/fields.ts";

/** Searches: they ask for scores. Only under `runs`. */
export const searchFields = { pso_merging: PSO_MERGING, random: RANDOM } as const;

export { mergeFields, type MergeInput, type MergeRun };

/** Methods of the format that this version does not have yet. */
export const PLANNED = ["model_swarms", "cma_es", "evogm", "grid", "m2n2"] as const;

/** A run as a parsed recipe has it. */
export type SearchRun = z.output<(typeof searchFields)[keyof typeof searchFields]>;
export type SearchInput = z.input<(typeof searchFields)[keyof typeof searchFields]>;
export type AnyRun = SearchRun | MergeRun;
