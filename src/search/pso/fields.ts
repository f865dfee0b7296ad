/** What a recipe says about PSO-Merging (arXiv 2508.19839); defaults are the paper's. */
import * as z from "zod";
import { between, choice, count, fields, must, runFields, share } from "../../lib/fields.ts";
import { list, show, suggestion } from "../../lib/words.ts";
import { METHOD_NAMES } from "../../methods/fields.ts";
import { type MergeStart, startFields } from "../../methods/runs.ts";

export const SPARSIFY = fields({
  method: choice(["dare", "magnitude"]).default("dare").describe("dare keeps elements at random, magnitude keeps the largest"),
  density: share().default(0.2).describe("Share of elements kept: 1 − drop rate"),
  rescaling: choice(["inverse", "l1", "none"])
    .optional()
    .describe("inverse divides by the density, l1 matches each tensor's L1 norm; unless given: inverse for dare, none for magnitude"),
});

const says = must(`must be "base", "experts", or an object { "sparsified_experts": … } or { "method": … } of a data-free merge: ${list(METHOD_NAMES)}`);

// The casts: tables are lists to TypeScript, and their members were made from the methods' own fields, of which it sees no types.
const MERGED = z.discriminatedUnion("method", Object.values(startFields) as unknown as Parameters<typeof z.discriminatedUnion>[1], {
  error: ({ input }) => {
    const method = typeof input === "object" && input !== null ? (input as { method?: unknown }).method : undefined;
    return method === undefined ? "has no method" : `names ${show(method)}, which is no data-free method${typeof method === "string" ? suggestion(method, METHOD_NAMES) : ""}`;
  },
}) as unknown as z.ZodType<MergeStart, Readonly<Record<string, unknown>> & { readonly method: string }>;

const START = z.union([z.enum(["base", "experts", "sparsified_experts", "linear", "task_arithmetic"]), fields({ sparsified_experts: SPARSIFY }), MERGED], says);

export type Start = z.output<typeof START>;
export type Sparsify = z.output<typeof SPARSIFY>;

const startSays = must("must be a list of 1 to 64 starting points");

export const PSO_MERGING = runFields("pso_merging", {
  steps: count(1, 10_000).default(5).describe("Moves of the swarm after the starting points were scored"),
  inertia: between(-10, 10).default(0.2).describe("w: how much of the last move is kept"),
  cognitive: between(-100, 100).default(2).describe("c₁: pull towards the particle's own best"),
  social: between(-100, 100).default(2).describe("c₂: pull towards the swarm's best"),
  random: choice(["scalar", "tensor", "element"]).default("scalar").describe("Where r₁ and r₂ are drawn anew: a particle, a tensor or an element"),
  swarm: choice(["subspace", "resident"]).default("subspace").describe("Particles as coefficients, or as weights on the GPU"),
  start: z
    .array(START, startSays)
    .min(1, startSays)
    .max(64, startSays)
    .default(["base", "experts", { sparsified_experts: { method: "dare", density: 0.2, rescaling: "inverse" } }])
    .describe("Starting points, one particle each (experts: one an expert), in order; { \"method\": … } with the fields of that merge's run, but for id, slices and tune"),
});

export type PsoMergingRun = z.output<typeof PSO_MERGING>;
