/** DARE (arXiv 2311.03099), no consensus: elements dropped at random, the rest scaled up. */
import { anyModels, family, type MethodFields, perTaskVector } from "../spec.ts";

export const dareLinearFields = {
  base: "required",
  models: anyModels,
  perModel: perTaskVector(),
  whole: family({ normalize: false, rescale: true }),
} satisfies MethodFields;
