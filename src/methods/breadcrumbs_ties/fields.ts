/** Model breadcrumbs (arXiv 2312.06795) with TIES' sign consensus. */
import { anyModels, election, family, type MethodFields, perTaskVector, scope, share } from "../spec.ts";

export const breadcrumbsTiesFields = {
  base: "required",
  models: anyModels,
  perModel: { ...perTaskVector(), gamma: share().default(0.01).describe("Share of the largest elements that are dropped") },
  whole: { ...family({ normalize: false, rescale: false }), election: election(), scope: scope() },
} satisfies MethodFields;
