/** Model Stock (arXiv 2403.19522): between the base and the models' mean, as far as their task vectors agree. */
import { yesNo } from "../../lib/fields.ts";
import type { MethodFields } from "../spec.ts";

export const modelStockFields = {
  base: "required",
  models: { min: 2, max: null },
  perModel: {},
  whole: { filter_wise: yesNo().default(false).describe("A ratio for each row, not one for the tensor") },
} satisfies MethodFields;
