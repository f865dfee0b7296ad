/**
 * Which directions a candidate reads: those with a coefficient other than 0 anywhere. A direction and one mask of it are one
 * term (δ is read, or multiplied out, once; two coefficients); further masks of it are terms of their own.
 */
import type { Columns, MaskedColumn } from "../columns.ts";

interface Thinned {
  /** Column of the direction itself, or null where only the mask counts. */
  readonly whole: number | null;
  readonly masked: { readonly column: number; readonly plane: number } | null;
}

export interface Term extends Thinned {
  readonly dense: number;
}

/** The same of a low-rank direction. */
export interface LowTerm extends Thinned {
  readonly low: number;
}

type Directions = readonly { readonly column: number; readonly masked: readonly MaskedColumn[] }[];

/** The most terms a candidate can have. */
export const mostTerms = ({ dense }: Columns): number => most(dense);
export const mostLowTerms = ({ low }: Columns): number => most(low);

const most = (directions: Directions): number => directions.reduce((sum, { masked }) => sum + Math.max(1, masked.length), 0);

export function activeTerms(columns: Columns, table: Float32Array): Term[] {
  const active = activeColumns(columns, table);
  return columns.dense.flatMap((one): Term[] => thinned(one, active).map((term) => ({ ...term, dense: one.dense })));
}

export function activeLowTerms(columns: Columns, table: Float32Array): LowTerm[] {
  if (columns.low.length === 0) return [];
  const active = activeColumns(columns, table);
  return columns.low.flatMap((one): LowTerm[] => thinned(one, active).map((term) => ({ ...term, low: one.low })));
}

function activeColumns(columns: Columns, table: Float32Array): boolean[] {
  const active = new Array<boolean>(columns.count).fill(false);
  table.forEach((c, i) => {
    if (c !== 0) active[i % columns.count] = true;
  });
  return active;
}

function thinned({ column, masked }: Directions[number], active: readonly boolean[]): Thinned[] {
  const masks = masked.filter((m) => active[m.column]);
  const whole = active[column] ? column : null;
  if (masks.length === 0) return whole === null ? [] : [{ whole, masked: null }];
  return masks.map((m, i) => ({ whole: i === 0 ? whole : null, masked: m }));
}
