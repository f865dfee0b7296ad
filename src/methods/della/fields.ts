/** DELLA (arXiv 2406.11617) with TIES' sign consensus. */
import { anyModels, election, family, type MethodFields, perTaskVector, share } from "../spec.ts";

export const dellaFields = {
  base: "required",
  models: anyModels,
  perModel: { ...perTaskVector(), epsilon: share().default(0.15).describe("The least of a row is kept with density − epsilon, the largest with density + epsilon") },
  whole: { ...family({ normalize: true, rescale: true }), election: election() },
} satisfies MethodFields;
