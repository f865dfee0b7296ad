/** What kept elements are multiplied with, a tensor at a time: 1/density (DARE), ‖δ‖₁/‖m‖₁ (mergekit since 2025), or nothing. */
import type { MaskRule } from "../types.ts";

/** `dense` and `kept`: L1 norms before and after the mask, read only for "l1"; a tensor that lost everything stays as it is. */
export function maskFactor(rule: MaskRule, dense: number, kept: number): number {
  if (rule.rescaling === "none") return 1;
  if (rule.rescaling === "inverse") return 1 / rule.density;
  return kept > 0 && Number.isFinite(dense) && Number.isFinite(kept) ? dense / kept : 1;
}
