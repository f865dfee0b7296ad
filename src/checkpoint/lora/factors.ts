/**
 * A change of low rank, ΔW = s·L·R, kept as its factors: r·(rows + columns) numbers instead of rows·columns. W is a matrix here
 * as its checkpoint stores it, first dimension × all others.
 */
export interface LowRank {
  readonly rows: number;
  readonly columns: number;
  readonly rank: number;
  readonly scale: number;
  /** `[rows × rank]`, row-major. */
  readonly left: Float32Array<ArrayBuffer>;
  /** `[rank × columns]` */
  readonly right: Float32Array<ArrayBuffer>;
}

/** values += ΔW, elements from..from + values.length−1. Sums in f64, one rounding to f32 at the end. */
export function addLowRank(values: Float32Array, { columns, rank, scale, left, right }: LowRank, from: number): void {
  const sums = new Float64Array(Math.min(columns, values.length));
  for (let done = 0; done < values.length; ) {
    const row = Math.floor((from + done) / columns);
    const first = from + done - row * columns;
    const count = Math.min(columns - first, values.length - done);
    sums.fill(0);
    for (let k = 0; k < rank; k++) {
      const l = left[row * rank + k] as number;
      const at = k * columns + first;
      for (let j = 0; j < count; j++) sums[j] = (sums[j] as number) + l * (right[at + j] as number);
    }
    for (let j = 0; j < count; j++) values[done + j] = (values[done + j] as number) + scale * (sums[j] as number);
    done += count;
  }
}

/** (ΔW)ᵀ = s·Rᵀ·Lᵀ */
export function transposed({ rows, columns, rank, scale, left, right }: LowRank): LowRank {
  return { rows: columns, columns: rows, rank, scale, left: turned(right, rank, columns), right: turned(left, rows, rank) };
}

/** `[rows × columns]` → `[columns × rows]`; factors are thin, no blocks needed. */
export function turned(values: Float32Array, rows: number, columns: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c] as number;
  return out;
}
