/** Spherical interpolation between the base and one model, of the tensor taken as one vector. */
import { type MethodFields, number } from "../spec.ts";

export const slerpFields = {
  base: "required",
  models: { min: 1, max: 1 },
  perModel: {},
  whole: { t: number().describe("0: the base, 1: the other model") },
} satisfies MethodFields;
