/** Warnings of many tensors as few: one a code, with how many tensors it is about and the first of them. */
import type { MethodWarning, WarningCode } from "./types.ts";

export interface GroupedWarning {
  readonly code: WarningCode;
  readonly message: string;
  readonly tensors: number;
  /** Names of the first few. */
  readonly first: readonly string[];
}

const MOST_NAMED = 5;

/** In the order in which codes first came. */
export function groupWarnings(warnings: Iterable<MethodWarning>): GroupedWarning[] {
  const byCode = new Map<WarningCode, { message: string; tensors: Set<string> }>();
  for (const { code, message, tensor } of warnings) {
    const known = byCode.get(code) ?? { message, tensors: new Set<string>() };
    byCode.set(code, known);
    known.tensors.add(tensor);
  }
  return [...byCode].map(([code, { message, tensors }]) => {
    const names = [...tensors].slice(0, MOST_NAMED);
    const others = names.slice(1).join(", ");
    const more = tensors.size - 1;
    const rest = more === 0 ? "" : ` The same goes for ${more} more ${more === 1 ? "tensor" : "tensors"}: ${others}${tensors.size > names.length ? " …" : ""}.`;
    return { code, message: `${message}${rest}`, tensors: tensors.size, first: names };
  });
}
