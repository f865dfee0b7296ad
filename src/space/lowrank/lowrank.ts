/** Where the factors of low-rank directions lie on the GPU: one buffer of vec4 a slab, and a table of places for kernels that walk tiles. */
import type { LowRank } from "../../checkpoint/lora/factors.ts";
import { LabError } from "../../lib/error.ts";
import type { Columns, LowColumn } from "../columns.ts";
import type { Piece, Slab } from "../layout.ts";
import type { Segment, Space } from "../types.ts";

/** Factors of one direction for one piece of a tensor, in vec4 from the buffer's start. */
export interface FactorPlace {
  readonly low: LowColumn;
  readonly piece: Piece;
  readonly left: number;
  readonly right: number;
  /** vec4 in a row of L. */
  readonly groups: number;
  readonly columns: number;
  /** Rows of the tensor that the piece touches. */
  readonly firstRow: number;
  readonly rows: number;
}

export interface FactorPlan {
  readonly places: readonly FactorPlace[];
  readonly vec4s: number;
}

/** Rows of zeros after L: a vec4 may reach three elements past a tensor's end, and each may be a row. */
const ZERO_ROWS = 3;

/** A segment as the matrix its factors make: first dimension × all others. */
export function matrixOf({ shape, length }: Pick<Segment, "shape" | "length">): { rows: number; columns: number } {
  const rows = shape.length > 0 ? (shape[0] as number) : 1;
  return { rows, columns: rows === 0 ? 0 : length / rows };
}

/** Of a piece of a tensor that a direction touches; null where it does not. */
function sizeOf(low: LowColumn, segment: Segment, { offset, length }: Pick<Piece, "offset" | "length">) {
  const rank = low.ranks[segment.index] ?? 0;
  if (rank === 0 || length === 0) return null;
  const { columns } = matrixOf(segment);
  const groups = Math.ceil(rank / 4);
  const firstRow = Math.floor(offset / columns);
  const rows = Math.floor((offset + length - 1) / columns) - firstRow + 1;
  return { groups, columns, firstRow, rows, left: (rows + ZERO_ROWS) * groups, right: 4 * groups * Math.ceil(columns / 4) };
}

/** What all directions' factors of a piece take, before it has a place. */
export function factorBytes(columns: Columns, segment: Segment, piece: Pick<Piece, "offset" | "length">): number {
  return columns.low.reduce((sum, low) => {
    const { left, right } = sizeOf(low, segment, piece) ?? { left: 0, right: 0 };
    return sum + 16 * (left + right);
  }, 0);
}

export function placeFactors(slab: Slab, columns: Columns, space: Space): FactorPlan {
  const places: FactorPlace[] = [];
  let vec4s = 0;
  for (const piece of slab.pieces) {
    for (const low of columns.low) {
      const size = sizeOf(low, space.segments[piece.segment] as Segment, piece);
      if (!size) continue;
      places.push({ ...size, low, piece, left: vec4s, right: vec4s + size.left });
      vec4s += size.left + size.right;
    }
  }
  return { places, vec4s };
}

/** Four words, as `lowRank` takes them: rows are counted from the tensor's first, so L's place may lie before the buffer's start (it wraps). */
export const placeWords = ({ left, right, groups, columns, firstRow }: FactorPlace): [number, number, number, number] => [(left - firstRow * groups) >>> 0, right, groups, columns];

/** `[low-rank directions × segments]` of four words; zeros where a direction leaves a segment alone. */
export function placeTable(plan: FactorPlan, columns: Columns, segments: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(4 * columns.low.length * segments);
  for (const place of plan.places) words.set(placeWords(place), 4 * (place.low.low * segments + place.piece.segment));
  return words;
}

/** What one place holds: L's rows of the piece, rows of zeros, R. */
export function packFactors({ groups, columns, firstRow, rows, left, right }: FactorPlace, factors: LowRank): Float32Array<ArrayBuffer> {
  const deep = 4 * groups;
  const wide = 4 * Math.ceil(columns / 4);
  const out = new Float32Array(4 * (right - left) + deep * wide);
  for (let row = 0; row < rows; row++) {
    out.set(factors.left.subarray((firstRow + row) * factors.rank, (firstRow + row + 1) * factors.rank), row * deep);
  }
  for (let k = 0; k < factors.rank; k++) out.set(factors.right.subarray(k * columns, (k + 1) * columns), 4 * (right - left) + k * wide);
  return out;
}

export function checkFactors(segment: Segment | undefined, low: LowColumn | undefined, id: string, factors: LowRank): asserts low is LowColumn {
  const { rows, columns } = segment ? matrixOf(segment) : { rows: -1, columns: -1 };
  const { rank, left, right } = factors;
  const fits = segment && low && low.ranks[segment.index] === rank && factors.rows === rows && factors.columns === columns && left.length === rows * rank && right.length === rank * columns;
  if (!fits) {
    throw new LabError("internal", `The factors of ${id} for ${segment?.name ?? "no segment"} are ${factors.rows}×${rank} and ${rank}×${factors.columns}; ${rows}×${columns} of rank ${segment ? (low?.ranks[segment.index] ?? 0) : 0} was promised.`);
  }
}
