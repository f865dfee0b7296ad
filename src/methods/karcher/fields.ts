/** Karcher mean (arXiv 2603.04972): Riemannian mean of directions, as long as the models' mean length. */
import { count } from "../../lib/fields.ts";
import { type MethodFields, positive } from "../spec.ts";

export const karcherFields = {
  base: "none",
  models: { min: 1, max: null },
  perModel: {},
  whole: {
    max_iter: count(0, 1000).default(10).describe("Most iterations"),
    tol: positive().default(1e-5).describe("Steps and angles below it end the iteration"),
  },
} satisfies MethodFields;
