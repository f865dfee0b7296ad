/**
 * A candidate's place on the plane two directions span.
 * With d = row − origin and Gram matrix G: a = dᵀG e₁, b = dᵀG e₂, and what is left over is how far off the plane it lies.
 */
import type { Candidate, Plane } from "../../index.ts";

export interface Place {
  readonly a: number;
  readonly b: number;
  /** Distance from the plane, in the plane's own units. */
  readonly off: number;
}

/** One row over the columns. Of coefficients that differ by segment the plain mean is shown; resident weights have none. */
export function rowOf(candidate: Candidate): readonly number[] | null {
  if (candidate.kind === "coefficients") return candidate.values;
  if (candidate.kind === "resident" || candidate.kind === "method" || candidate.values.length === 0) return null;
  const rows = candidate.values;
  return (rows[0] ?? []).map((_, column) => rows.reduce((sum, row) => sum + (row[column] ?? 0), 0) / rows.length);
}

export function project(plane: Plane, row: readonly number[]): Place {
  const d = plane.origin.map((o, i) => (row[i] ?? 0) - o);
  const Gd = plane.origin.map((_, i) => d.reduce((sum, x, j) => sum + (plane.gram[i * d.length + j] ?? 0) * x, 0));
  const a = dot(Gd, plane.e1);
  const b = dot(Gd, plane.e2);
  return { a, b, off: Math.sqrt(Math.max(0, dot(d, Gd) - a * a - b * b)) };
}

/** The candidate that lies on the plane at (a, b). */
export function onPlane(plane: Plane, a: number, b: number): number[] {
  return plane.origin.map((o, i) => o + a * (plane.e1[i] ?? 0) + b * (plane.e2[i] ?? 0));
}

/** Row of a model named by its column; the base is [1, 0, …], an expert base + its own task vector. */
export function modelRow(columns: readonly string[], id: string): number[] | null {
  const at = columns.indexOf(id);
  return at < 0 ? null : columns.map((_, i) => (i === 0 || i === at ? 1 : 0));
}

/** The plain average of experts: base + Σ δᵢ / N. */
export function averageRow(columns: readonly string[], experts: readonly string[]): number[] {
  return columns.map((id, i) => (i === 0 ? 1 : experts.includes(id) ? 1 / experts.length : 0));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
}

export interface Extent {
  readonly a: readonly [number, number];
  readonly b: readonly [number, number];
}

/** Box round the starts with a margin; grows for wanderers, at most by a sixth of its size on a side, so the map stays readable. */
export function extentOf(starts: readonly Place[], wanderers: readonly Place[], margin = 0.16): Extent {
  const axis = (pick: (place: Place) => number): [number, number] => {
    const home = starts.map(pick);
    let low = Math.min(...home);
    let high = Math.max(...home);
    const reach = Math.max(high - low, 1e-9);
    for (const value of wanderers.map(pick)) {
      low = Math.min(low, Math.max(value, Math.min(...home) - reach * 0.15));
      high = Math.max(high, Math.min(value, Math.max(...home) + reach * 0.15));
    }
    return [low - reach * margin, high + reach * margin];
  };
  if (starts.length === 0) return { a: [-1, 1], b: [-1, 1] };
  return { a: axis((place) => place.a), b: axis((place) => place.b) };
}
