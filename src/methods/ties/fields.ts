/** TIES (arXiv 2306.01708): the largest elements of each task vector, those that agree with the majority's sign, averaged. */
import { anyModels, election, family, type MethodFields, perTaskVector, scope } from "../spec.ts";

export const tiesFields = {
  base: "required",
  models: anyModels,
  perModel: perTaskVector(),
  whole: { ...family({ normalize: true, rescale: false }), election: election(), scope: scope() },
} satisfies MethodFields;
