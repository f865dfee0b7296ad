/** NearSwap: the base, drawn to the other model where both are nearly equal. */
import { type MethodFields, number } from "../spec.ts";

export const nearswapFields = {
  base: "required",
  models: { min: 1, max: 1 },
  perModel: {},
  whole: { t: number().describe("Distance up to which the other model's element is taken whole") },
} satisfies MethodFields;
