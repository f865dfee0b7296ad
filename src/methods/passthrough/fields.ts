/** One model as it is, or times a number. */
import { type MethodFields, number } from "../spec.ts";

export const passthroughFields = {
  base: "none",
  models: { min: 1, max: 1 },
  perModel: { scale: number().optional().describe("Factor; left out: the tensor as it is") },
  whole: {},
} satisfies MethodFields;
