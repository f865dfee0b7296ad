/** RAM+ tensor-local (arXiv 2601.13572): as ram, with unique changes of a model scaled up the more it shares with others. */
import { anyModels, type MethodFields, number, positive } from "../spec.ts";

export const ramplusTlFields = {
  base: "required",
  models: anyModels,
  perModel: {},
  whole: {
    r: number().default(0.1).describe("Factor of the scaling"),
    alpha: positive().default(0.2).describe("Most of shared ÷ unique that counts"),
    epsilon: positive().default(1e-5).describe("Changes up to it do not count"),
  },
} satisfies MethodFields;
