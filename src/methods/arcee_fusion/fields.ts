/** Arcee Fusion: the other model's elements where they matter most, the base elsewhere. */
import type { MethodFields } from "../spec.ts";

export const arceeFusionFields = {
  base: "required",
  models: { min: 1, max: 1 },
  perModel: {},
  whole: {},
} satisfies MethodFields;
