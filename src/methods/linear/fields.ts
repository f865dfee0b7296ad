/** What a recipe says about the weighted average of the experts. */
import type * as z from "zod";
import { byExpert, runFields, yesNo } from "../../lib/fields.ts";
import { type MethodFields, weight } from "../spec.ts";

export const LINEAR = {
  weights: byExpert().optional().describe("Weights by expert id, over the experts' own parameters.weight"),
  normalize: yesNo().default(true).describe("Divide by the sum of weights"),
};

export const linearFields = {
  base: "none",
  models: { min: 1, max: null },
  perModel: { weight: weight() },
  whole: { normalize: LINEAR.normalize },
} satisfies MethodFields;

export const LINEAR_RUN = runFields("linear", LINEAR);

export type LinearRun = z.output<typeof LINEAR_RUN>;
export type LinearParameters = Pick<LinearRun, "weights" | "normalize">;
