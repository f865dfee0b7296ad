/** RankMean: models averaged layer by layer, each weighed by the rank that this layer has among its own changes. */
import type { MethodFields } from "../spec.ts";

export const rankmeanFields = {
  base: "required",
  models: { min: 1, max: null },
  perModel: {},
  whole: {},
} satisfies MethodFields;
