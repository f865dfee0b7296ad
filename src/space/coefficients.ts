/**
 * From a candidate's coefficients to what the kernels multiply stored numbers with: the factor of each mask and the power
 * of two of each packed tensor are folded in, in f64, and rounded to f32 once. Both backends use this very table.
 */
import { LabError } from "../lib/error.ts";
import type { Columns } from "./columns.ts";

export class Factors {
  /** What one stored number of a column stands for: `[segments × columns]`, row-major. */
  readonly values: Float64Array;
  readonly #columns: Columns;
  readonly #segments: number;

  constructor(columns: Columns, segments: number) {
    this.#columns = columns;
    this.#segments = segments;
    this.values = new Float64Array(segments * columns.count).fill(1);
  }

  at(segment: number, column: number): number {
    return this.values[segment * this.#columns.count + column] as number;
  }

  /** A dense direction of this segment is stored times 2^exponent. */
  stored(segment: number, dense: number, exponent: number): void {
    const { column, masked } = this.#columns.dense[dense] as Columns["dense"][number];
    for (const c of [column, ...masked.map((m) => m.column)]) this.#multiply(segment, c, 2 ** -exponent);
  }

  rescale(segment: number, column: number, factor: number): void {
    this.#multiply(segment, column, factor);
  }

  #multiply(segment: number, column: number, factor: number): void {
    const at = segment * this.#columns.count + column;
    this.values[at] = (this.values[at] as number) * factor;
  }

  /** `[segments × columns]` f32 from one row, or one row a segment. */
  table(coefficients: Float64Array): Float32Array<ArrayBuffer> {
    const { count } = this.#columns;
    const grouped = coefficients.length === this.values.length && this.#segments !== 1;
    if (!grouped && coefficients.length !== count) {
      throw new LabError("internal", `A candidate over ${count} columns and ${this.#segments} segments cannot have ${coefficients.length} coefficients.`);
    }
    return Float32Array.from(this.values, (factor, i) => factor * (coefficients[grouped ? i : i % count] as number));
  }
}
