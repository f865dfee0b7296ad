/** The unions of runs and comparisons, made from the searches' and merges' own tables. */
import * as z from "zod";
import { type AnyRun, mergeFields, type MergeInput, type MergeRun, PLANNED, searchFields, type SearchInput } from "../search/runs.ts";
import { list, show, suggestion } from "../lib/words.ts";

export const SEARCH_NAMES = Object.keys(searchFields);
export const MERGE_NAMES = Object.keys(mergeFields);

function methodProblem(input: unknown, known: readonly string[]): string {
  const method = typeof input === "object" && input !== null ? (input as { method?: unknown }).method : undefined;
  if (typeof input !== "object" || input === null) return `must be an object with a method, not ${show(input)}`;
  if (method === undefined) return `has no method; there are ${list(known)}`;
  if (typeof method !== "string") return `has a method that is no name but ${show(method)}; there are ${list(known)}`;
  if (SEARCH_NAMES.includes(method)) return `names ${method}, which is a search: list it under runs`;
  if ((PLANNED as readonly string[]).includes(method)) return `names ${method}, which is part of the format but not there yet; there are ${list(known)}`;
  return `names ${show(method)}, which is no method${suggestion(method, known)}`;
}

type Members = Parameters<typeof z.discriminatedUnion>[1];
// The casts: tables are lists to TypeScript, and their members were made from the methods' own fields, of which it sees no types.
const merges = Object.values(mergeFields) as unknown as Members;
const all = [...Object.values(searchFields), ...Object.values(mergeFields)] as unknown as Members;

export const COMPARISON = z.discriminatedUnion("method", merges, { error: ({ input }) => methodProblem(input, MERGE_NAMES) }) as unknown as z.ZodType<MergeRun, MergeInput>;
export const RUN = z.discriminatedUnion("method", all, { error: ({ input }) => methodProblem(input, [...SEARCH_NAMES, ...MERGE_NAMES]) }) as unknown as z.ZodType<
  AnyRun,
  SearchInput | MergeInput
>;
