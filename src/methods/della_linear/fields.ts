/** DELLA (arXiv 2406.11617), no consensus: small elements of a row are dropped more often than large ones. */
import { anyModels, family, type MethodFields, perTaskVector, share } from "../spec.ts";

export const dellaLinearFields = {
  base: "required",
  models: anyModels,
  perModel: { ...perTaskVector(), epsilon: share().default(0.15).describe("The least of a row is kept with density − epsilon, the largest with density + epsilon") },
  whole: family({ normalize: false, rescale: true }),
} satisfies MethodFields;
