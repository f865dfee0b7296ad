/** Spherical interpolation between two models, or between their task vectors where a base is given; whole or by rows. */
import { yesNo } from "../../lib/fields.ts";
import { type MethodFields, weight } from "../spec.ts";

export const nuslerpFields = {
  base: "optional",
  models: { min: 2, max: 2 },
  perModel: { weight: weight() },
  whole: {
    nuslerp_flatten: yesNo().default(true).describe("The tensor is one vector; false: one for each row, or column"),
    nuslerp_row_wise: yesNo().default(false).describe("Not flattened: vectors run along the first dimension, not the last"),
  },
} satisfies MethodFields;
