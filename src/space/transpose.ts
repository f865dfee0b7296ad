/**
 * Graphs keep some matrices transposed against their checkpoint. Whatever depends on where an element stands (masks, rows, which of
 * equal numbers comes first) is done in the checkpoint's own layout; everything else in the graph's.
 */
import type { Segment } from "./types.ts";

type Laid = Pick<Segment, "shape" | "transposed">;

export function checkpointShape({ shape, transposed }: Laid): readonly number[] {
  return transposed ? [...shape].reverse() : shape;
}

/** From the graph's layout; the array itself where both are the same. */
export function toCheckpoint(segment: Laid, values: Float32Array): Float32Array {
  const [rows, columns] = segment.shape as [number, number]; // transposed: rank 2
  return segment.transposed ? transpose(values, rows, columns) : values;
}

/** Back again. */
export function toGraph(segment: Laid, values: Float32Array): Float32Array {
  const [rows, columns] = segment.shape as [number, number];
  return segment.transposed ? transpose(values, columns, rows) : values;
}

/** Squares of this side stay in the cache. */
const SIDE = 32;

/** `[rows × columns]` → `[columns × rows]` */
export function transpose(values: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let top = 0; top < rows; top += SIDE) {
    const bottom = Math.min(rows, top + SIDE);
    for (let left = 0; left < columns; left += SIDE) {
      const right = Math.min(columns, left + SIDE);
      for (let r = top; r < bottom; r++) for (let c = left; c < right; c++) out[c * rows + r] = values[r * columns + c] as number;
    }
  }
  return out;
}
