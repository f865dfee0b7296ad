/**
 * Inner products of base and task vectors as they arrive, on the CPU in f64. An adapter in software would take several times as long over them;
 * for any other the numbers stay where they are (reduce.ts).
 */
const CHUNK = 16384;

export class HostGram {
  /** `[columns × columns]`, the upper half. */
  readonly sums: Float64Array;
  readonly #columns: number;
  readonly #chunks: Float32Array[];

  constructor(columns: number) {
    this.#columns = columns;
    this.sums = new Float64Array(columns * columns);
    this.#chunks = Array.from({ length: columns }, () => new Float32Array(CHUNK));
  }

  /** One tensor of the base and of each expert, whole. */
  add(base: Float32Array, experts: readonly Float32Array[]): void {
    for (let from = 0; from < base.length; from += CHUNK) {
      const length = Math.min(CHUNK, base.length - from);
      const [first, ...deltas] = this.#chunks as [Float32Array, ...Float32Array[]];
      first.set(base.subarray(from, from + length));
      deltas.forEach((delta, d) => {
        const expert = experts[d] as Float32Array;
        for (let i = 0; i < length; i++) delta[i] = (expert[from + i] as number) - (first[i] as number);
      });
      for (let a = 0; a < this.#columns; a++) {
        for (let b = a; b < this.#columns; b++) {
          const at = a * this.#columns + b;
          this.sums[at] = (this.sums[at] as number) + dot(this.#chunks[a] as Float32Array, this.#chunks[b] as Float32Array, length);
        }
      }
    }
  }
}

/** Four sums side by side: each addition would else wait for the one before. */
function dot(a: Float32Array, b: Float32Array, length: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < length; i += 4) {
    s0 += (a[i] as number) * (b[i] as number);
    s1 += (a[i + 1] as number) * (b[i + 1] as number);
    s2 += (a[i + 2] as number) * (b[i + 2] as number);
    s3 += (a[i + 3] as number) * (b[i + 3] as number);
  }
  for (; i < length; i++) s0 += (a[i] as number) * (b[i] as number);
  return s0 + s1 + (s2 + s3);
}
