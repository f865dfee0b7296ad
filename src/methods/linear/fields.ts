/** What a recipe says about the weighted average of the experts. */
import { yesNo } from "../../lib/fields.ts";
import { type MethodFields, weight } from "../spec.ts";

export const linearFields = {
  base: "none",
  models: { min: 1, max: null },
  perModel: { weight: weight() },
  whole: { normalize: yesNo().default(true).describe("Divide by the sum of weights") },
} satisfies MethodFields;

export interface LinearParameters {
  readonly weights?: Readonly<Record<string, number>> | undefined;
  readonly normalize: boolean;
}
