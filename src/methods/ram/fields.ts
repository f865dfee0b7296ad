/** RAM (arXiv 2601.13572): what one model changed is added whole, what several changed is averaged over those. */
import { anyModels, type MethodFields, positive } from "../spec.ts";

export const ramFields = {
  base: "required",
  models: anyModels,
  perModel: {},
  whole: { epsilon: positive().default(1e-5).describe("Changes up to it do not count") },
} satisfies MethodFields;
