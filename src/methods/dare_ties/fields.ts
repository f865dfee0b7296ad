/** DARE (arXiv 2311.03099) with TIES' sign consensus. */
import { anyModels, family, type MethodFields, perTaskVector } from "../spec.ts";

export const dareTiesFields = {
  base: "required",
  models: anyModels,
  perModel: perTaskVector(),
  whole: family({ normalize: false, rescale: true }),
} satisfies MethodFields;
