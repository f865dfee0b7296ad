/** What a recipe says about task arithmetic: one λ for all task vectors, given or tuned. */
import * as z from "zod";
import { between, byExpert, count, fields, must, runFields, yesNo } from "../../lib/fields.ts";
import { anyModels, family, type MethodFields, perTaskVector } from "../spec.ts";

export const taskArithmeticFields = {
  base: "required",
  models: anyModels,
  perModel: perTaskVector(),
  whole: family({ normalize: false, rescale: false }),
} satisfies MethodFields;

const LAMBDA = between(-100, 100);
const SHARED = {
  weights: byExpert().optional().describe("Weights by expert id, over the experts' own parameters.weight"),
  normalize: yesNo().default(false).describe("Divide by the sum of weights"),
};

const TUNE = fields({
  tune: z.tuple([LAMBDA, LAMBDA], must("must be two numbers: [low, high]")).describe("Interval that is swept"),
  evaluations: count(1, 100_000).default(30).describe("Values tried, half evenly over the interval, half next to the best of those"),
});

export const TASK_ARITHMETIC_START = { lambda: LAMBDA.default(0.3).describe("Factor of the summed task vectors"), ...SHARED };

export const TASK_ARITHMETIC_RUN = runFields("task_arithmetic", {
  lambda: z
    .union([LAMBDA, TUNE], must('must be a number from -100 to 100, or { "tune": [low, high], "evaluations": n }'))
    .default(0.3)
    .describe("Factor of the summed task vectors, or the interval it is tuned over on the optimise samples"),
  ...SHARED,
});

export type TaskArithmeticRun = z.output<typeof TASK_ARITHMETIC_RUN>;
/** With λ settled. */
export type TaskArithmeticParameters = Pick<TaskArithmeticRun, "weights" | "normalize"> & { lambda: number };
