/** The recipe's models: the base and the experts, and what resolving adds to them. */
import * as z from "zod";
import { between, fields, id, must } from "../lib/fields.ts";
import { setting, type Setting } from "../lib/settings.ts";
import { show } from "../lib/words.ts";
import { type ModelParameters, perModelFields } from "../methods/runs.ts";
import { referenceProblem } from "./reference.ts";

const SHA256 = /^[0-9a-f]{64}$/;

export function reference() {
  return z.string(must("must be a model reference")).refine((text) => referenceProblem(text) === null, {
    error: ({ input }) => `is ${show(input)}, which ${referenceProblem(String(input)) ?? "cannot be read"}`,
  });
}

/** Checked against what is loaded when given; filled in when the recipe is resolved. */
export const resolved = {
  revision: z
    .string(must("must be 40 hexadecimal digits"))
    .regex(/^[0-9a-f]{40}$/, must("must be 40 hexadecimal digits"))
    .optional()
    .describe("Commit on the Hub"),
  sha256: z
    .record(z.string().max(512), z.string().regex(SHA256, must("must be 64 hexadecimal digits")), must("must be an object of digests by file name"))
    .optional()
    .describe("SHA-256 by file; what is loaded must match"),
};

type WithWeight = ModelParameters & { readonly weight: Setting<number> };

// The casts: the fields were made from the methods' own, of which TypeScript sees no types.
const BASE_PARAMETERS = fields(perModelFields()) as unknown as z.ZodType<ModelParameters, ModelParameters>;
const EXPERT_PARAMETERS = fields({
  ...perModelFields(),
  weight: setting(between(-100, 100)).default(1).describe("Weight in data-free merges"),
}) as unknown as z.ZodType<WithWeight, ModelParameters>;

export const BASE = fields({
  model: reference().describe("zoo/family/name, owner/name[@revision], or a path; +owner/adapter for a LoRA on it"),
  parameters: BASE_PARAMETERS.optional().describe("As for an expert, where a run's models name the base"),
  ...resolved,
});

export const EXPERT = fields({
  id: id().describe("Name of the expert in the report"),
  model: reference().describe("As for the base"),
  parameters: EXPERT_PARAMETERS.default({ weight: 1 }).describe("mergekit's per-model parameters: a value, a list over the layers, or filters"),
  ...resolved,
});
