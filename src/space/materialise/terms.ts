/**
 * Which directions a candidate reads: those with a coefficient other than 0 anywhere. A dense direction and one mask of it
 * are one term (one read of δ, two coefficients); further masks of it are terms of their own.
 */
import type { Columns, LowColumn } from "../columns.ts";

export interface Term {
  readonly dense: number;
  /** Column of the dense direction, or null where only the mask counts. */
  readonly whole: number | null;
  readonly masked: { readonly column: number; readonly plane: number } | null;
}

/** The most terms a candidate can have. */
export function mostTerms(columns: Columns): number {
  return columns.dense.reduce((sum, { masked }) => sum + Math.max(1, masked.length), 0);
}

/** Low-rank directions that a candidate reads anywhere. */
export function activeLow(columns: Columns, table: Float32Array): readonly LowColumn[] {
  if (columns.low.length === 0) return columns.low;
  const active = activeColumns(columns, table);
  return columns.low.filter(({ column }) => active[column]);
}

function activeColumns(columns: Columns, table: Float32Array): boolean[] {
  const active = new Array<boolean>(columns.count).fill(false);
  table.forEach((c, i) => {
    if (c !== 0) active[i % columns.count] = true;
  });
  return active;
}

export function activeTerms(columns: Columns, table: Float32Array): Term[] {
  const active = activeColumns(columns, table);
  return columns.dense.flatMap(({ column, dense, masked }): Term[] => {
    const masks = masked.filter((m) => active[m.column]);
    const whole = active[column] ? column : null;
    if (masks.length === 0) return whole === null ? [] : [{ dense, whole, masked: null }];
    return masks.map((m, i) => ({ dense, whole: i === 0 ? whole : null, masked: m }));
  });
}
