/** SCE (arXiv 2408.07990): select where models vary most, weigh by energy, erase minority signs. */
import { yesNo } from "../../lib/fields.ts";
import { anyModels, type MethodFields, share } from "../spec.ts";

export const sceFields = {
  base: "required",
  models: anyModels,
  perModel: {},
  whole: {
    select_topk: share().default(1).describe("Share of the elements on which models differ that is kept, the most varied first"),
    int8_mask: yesNo().default(false).describe("Without effect here; the result is the same"),
  },
} satisfies MethodFields;
