/** What a recipe says about random search: λᵢ uniform, one an expert. */
import type * as z from "zod";
import { between, count, runFields } from "../../lib/fields.ts";

export const RANDOM = runFields("random", {
  evaluations: count(1, 100_000).default(50).describe("Candidates drawn and scored"),
  low: between(-100, 100).default(0).describe("Least λ an expert"),
  high: between(-100, 100).default(1).describe("Greatest λ an expert"),
});

export type RandomRun = z.output<typeof RANDOM>;
