/** DARE (arXiv 2311.03099) with TIES' sign consensus. */
import { yesNo } from "../../lib/fields.ts";
import { anyModels, election, family, type MethodFields, perTaskVector } from "../spec.ts";

export const dareTiesFields = {
  base: "required",
  models: anyModels,
  perModel: perTaskVector(),
  whole: {
    ...family({ normalize: false, rescale: true }),
    normalize: yesNo().default(false).describe("Divide by the sum of weights of those kept; no, unless semantics is peft"),
    election: election(),
  },
} satisfies MethodFields;
