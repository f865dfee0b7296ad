/** What to say to someone whose models do not fit: the first tensors that differ, and what can still be merged. */
import type { OnnxWeight } from "../../checkpoint/types.ts";
import { LabError } from "../../lib/error.ts";
import { type Group, sameShape, shapesAgree } from "./group.ts";

const NAMED = 3;

export function misfitError(misfits: readonly Group[], groups: readonly Group[], ids: readonly string[]): LabError {
  const told = misfits.map((group) => {
    const base = group.weights[0] as OnnxWeight;
    const other = group.weights.findIndex((weight) => !sameShape(weight.shape, base.shape));
    return { tensor: base.name, model: ids[other] ?? "", shape: group.weights[other]?.shape ?? [], base: ids[0] ?? "", baseShape: base.shape };
  });
  const sentences = told.slice(0, NAMED).map((t) => `${t.tensor} is ${size(t.baseShape)} in ${t.base} but ${size(t.shape)} in ${t.model}`);
  const more = told.length > NAMED ? `, and ${told.length - NAMED} more tensors differ` : "";
  const matching = groups.filter(shapesAgree).length;
  return new LabError("shape-mismatch", `${sentences.join("; ")}${more}. ${matching} of ${groups.length} tensors match, but only models of the same size can be merged.`, {
    details: { differ: told, matching, tensors: groups.length },
  });
}

/** Adds which experts fit the base, each looked at alone. */
export function whatFits(error: LabError, ids: readonly string[], fits: (expert: string) => boolean): LabError {
  const good = ids.slice(1).filter(fits);
  const left = good.length ? `What can be merged with ${ids[0]}: ${good.join(", ")}.` : `None of these experts fits ${ids[0]}; choose experts that were fine-tuned from it.`;
  return new LabError(error.code, `${error.message} ${left}`, { cause: error.cause, details: { ...(error.details as object), fits: good } });
}

const size = (shape: readonly number[]): string => (shape.length === 1 ? `of ${shape[0]} elements` : shape.join("×"));
