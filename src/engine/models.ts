/** Base and experts as candidates. */
import type { Subject } from "./scoring.ts";

/** Coefficient 1 of the base, and 1 of the expert's own task vector; null where there is no such column. */
export function modelSubject(columns: readonly string[], id: string): Subject | null {
  const column = columns.indexOf(id);
  if (column < 0) return null;
  return { candidate: { kind: "coefficients", values: columns.map((_, i) => (i === 0 || i === column ? 1 : 0)) } };
}
