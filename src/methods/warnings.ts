/** Warnings of many tensors, one a kind: how many, which first; and tensors that stand out among their like. */
import type { Merged, MethodWarning } from "./types.ts";

/** What came of one tensor. */
export interface MergedTensor extends Merged {
  readonly name: string;
  readonly elements: number;
}

export interface GatheredWarning {
  readonly code: string;
  readonly message: string;
  /** How many. */
  readonly tensors?: number;
  /** The first ones. */
  readonly details?: { readonly tensors: readonly string[] };
}

const SHOWN = 5;
/** Root mean square above or below that of its like by this factor: two orders of magnitude. */
const APART = 100;
/** Of fewer nobody can say which one stands out. */
const LEAST_ALIKE = 4;

export function gather(reports: readonly MergedTensor[]): GatheredWarning[] {
  const byCode = new Map<string, Set<string>>();
  const first = new Map<string, string>();
  const hear = ({ code, message, tensor }: Pick<MethodWarning, "message" | "tensor"> & { code: string }) => {
    const tensors = byCode.get(code) ?? new Set();
    byCode.set(code, tensors.add(tensor));
    if (!first.has(code)) first.set(code, message);
  };
  for (const { warnings } of reports) warnings.forEach(hear);
  outliers(reports).forEach(hear);
  return [...byCode].map(([code, tensors]) => {
    const names = [...tensors];
    const others = names.length > 1 ? ` So it is in ${names.length} tensors: ${names.slice(0, SHOWN).join(", ")}${names.length > SHOWN ? ", …" : ""}.` : "";
    return { code, message: `${first.get(code) ?? ""}${others}`, tensors: names.length, details: { tensors: names.slice(0, SHOWN) } };
  });
}

/** Tensors of one name but for the layer's number are alike. */
function outliers(reports: readonly MergedTensor[]) {
  const groups = new Map<string, { name: string; size: number }[]>();
  for (const { name, norm, elements } of reports) {
    if (elements === 0 || !Number.isFinite(norm)) continue;
    const like = name.replace(/\d+/g, "#");
    const group = groups.get(like) ?? [];
    groups.set(like, group);
    group.push({ name, size: norm / Math.sqrt(elements) });
  }
  return [...groups.values()].filter((group) => group.length >= LEAST_ALIKE).flatMap((group) => {
    const middle = group.map(({ size }) => size).sort((a, b) => a - b)[Math.floor(group.length / 2)] as number; // none is empty
    if (middle === 0) return [];
    return group.filter(({ size }) => size > middle * APART || size < middle / APART).map(({ name, size }) => ({ code: "tensor-out-of-scale", tensor: name, message: told(name, size / middle) }));
  });
}

function told(name: string, ratio: number): string {
  if (ratio === 0) return `All numbers of ${name} are zero, unlike those of its kind in other layers.`;
  return `The numbers of ${name} are ${ratio > 1 ? `${figure(ratio)} times larger` : `${figure(1 / ratio)} times smaller`} than those of its kind in other layers.`;
}

const figure = (value: number) => (value >= 1e6 ? value.toExponential(1) : Math.round(value).toLocaleString("en"));
