/** What a recipe says about task arithmetic: one λ for all task vectors. */
import { anyModels, family, type MethodFields, perTaskVector } from "../spec.ts";

export const taskArithmeticFields = {
  base: "required",
  models: anyModels,
  perModel: perTaskVector(),
  whole: family({ normalize: false, rescale: false }),
} satisfies MethodFields;

/** With λ settled. */
export interface TaskArithmeticParameters {
  readonly lambda: number;
  readonly weights?: Readonly<Record<string, number>> | undefined;
  readonly normalize: boolean;
}
