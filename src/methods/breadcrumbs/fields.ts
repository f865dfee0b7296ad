/** Model breadcrumbs (arXiv 2312.06795): neither the largest nor the smallest elements. */
import { anyModels, family, type MethodFields, perTaskVector, scope, share } from "../spec.ts";

export const breadcrumbsFields = {
  base: "required",
  models: anyModels,
  perModel: { ...perTaskVector(), gamma: share().default(0.01).describe("Share of the largest elements that are dropped") },
  whole: { ...family({ normalize: false, rescale: false }), scope: scope() },
} satisfies MethodFields;
