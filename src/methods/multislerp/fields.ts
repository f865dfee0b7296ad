/** Barycentric interpolation on a hypersphere, of weights, or of task vectors where a base is given. */
import { yesNo } from "../../lib/fields.ts";
import { type MethodFields, positive, weight } from "../spec.ts";

export const multislerpFields = {
  base: "optional",
  models: { min: 1, max: null },
  perModel: { weight: weight() },
  whole: {
    normalize_weights: yesNo().default(true).describe("Divide weights by their sum"),
    eps: positive().default(1e-8).describe("Norms below it count as zero"),
  },
} satisfies MethodFields;
