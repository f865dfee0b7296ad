/** The basis in memory: the definition of what `basis.gpu.ts` does, and the path where there is no WebGPU. */
import { addLowRank, type LowRank } from "../checkpoint/lora/factors.ts";
import { LabError } from "../lib/error.ts";
import { Factors } from "./coefficients.ts";
import { type Columns, readColumns } from "./columns.ts";
import { checkFactors } from "./lowrank/lowrank.ts";
import { materialise } from "./materialise/materialise.cpu.ts";
import { addBlocks, type Reduction, reduceBlocks } from "./reduce/reduce.cpu.ts";
import { conflictBlocks } from "./signs/signs.cpu.ts";
import { bernoulli } from "./sparsify/bernoulli/bernoulli.cpu.ts";
import { maskFactor } from "./sparsify/factor.ts";
import { magnitude } from "./sparsify/magnitude/magnitude.cpu.ts";
import { countNonFinite, overwrite, surveyVector, taskVector, throughHalf } from "./task-vector.ts";
import type { Basis, DirectionSpec, Segment, Slot, Space, VectorStatistics } from "./types.ts";

/** One segment of all directions. */
interface Stored {
  readonly base: Float32Array;
  /** A packed direction is kept as the f32 its halves stand for: the same numbers as on the GPU, more memory. */
  readonly deltas: readonly Float32Array[];
  readonly masks: Uint32Array[];
}

/** Of one segment, one entry a low-rank direction. */
type Low = readonly (LowRank | null)[];

export class CpuBasis implements Basis {
  readonly backend = "cpu";
  readonly gpuBytes = 0;
  readonly space: Space;
  readonly directions: readonly DirectionSpec[];
  readonly columns: Columns;
  readonly factors: Factors;
  readonly #stored: Stored[] = [];
  readonly #low: (LowRank | null)[][];
  readonly #nonFinite: NonFinite;

  constructor(space: Space, directions: readonly DirectionSpec[]) {
    this.space = space;
    this.directions = directions;
    this.columns = readColumns(directions);
    this.factors = new Factors(this.columns, space.segments.length);
    this.#low = space.segments.map(() => this.columns.low.map(() => null));
    this.#nonFinite = new NonFinite(directions, this.columns);
  }

  put(segment: number, base: Float32Array, experts: readonly Float32Array[]): void {
    checkPut(this.space, this.columns, segment, base, experts);
    this.#nonFinite.add(0, countNonFinite(base));
    const deltas = experts.map((expert, dense) => {
      const { nonFinite, exponent } = surveyVector(expert, base, this.columns.precision);
      this.#nonFinite.add(this.columns.dense[dense]?.column, nonFinite);
      this.factors.stored(segment, dense, exponent);
      const delta = taskVector(expert, base, exponent);
      return this.columns.precision === "f16" ? throughHalf(delta) : delta;
    });
    this.#stored[segment] = { base: base.slice(), deltas, masks: [] };
  }

  putFactors(segment: number, id: string, factors: LowRank): void {
    const low = this.columns.low.find(({ column }) => this.directions[column]?.id === id);
    checkFactors(this.space.segments[segment], low, id, factors);
    this.#nonFinite.add(low.column, countNonFinite(factors.left) + countNonFinite(factors.right));
    for (const column of [low.column, ...low.masked.map((masked) => masked.column)]) this.factors.rescale(segment, column, factors.scale);
    (this.#low[segment] as (LowRank | null)[])[low.low] = { ...factors, left: factors.left.slice(), right: factors.right.slice() };
  }

  async seal(): Promise<{ nonFinite: number[] }> {
    checkSealed(this.space, this.columns, (segment) => this.#stored[segment] !== undefined, (segment, low) => this.#low[segment]?.[low] != null);
    for (const segment of this.space.segments) {
      const { deltas, masks } = this.at(segment.index);
      const low = this.columns.masked.some(({ dense }) => dense === null) ? this.#multiplied(segment.index) : [];
      for (const { rule, dense, of, column } of this.columns.masked) {
        const delta = (dense === null ? low[lowOf(this.columns, of)] : deltas[dense]) as Float32Array;
        const mask = rule.method === "dare" ? bernoulli(segment, rule) : magnitude(delta, segment, rule.density);
        masks.push(mask);
        const norm = (m: Uint32Array | null) => (rule.rescaling === "l1" ? addBlocks(reduceBlocks("l1", delta, delta, m, null)) : 0);
        this.factors.rescale(segment.index, column, maskFactor(rule, norm(null), norm(mask)));
      }
    }
    return { nonFinite: this.#nonFinite.counts };
  }

  at(segment: number): Stored {
    return this.#stored[segment] as Stored; // all are there once sealed
  }

  /** Writes one segment; `table` comes from `factors.table`. */
  write(segment: Segment, table: Float32Array, out: Float32Array): boolean {
    const { base, deltas, masks } = this.at(segment.index);
    const row = table.subarray(segment.index * this.columns.count, (segment.index + 1) * this.columns.count);
    return materialise(out, base, deltas, masks, this.columns, row, this.#low[segment.index]);
  }

  openSlot(bind: "gpu" | "cpu"): Slot {
    if (bind === "gpu") throw new LabError("no-webgpu", "Weights can be bound on the GPU only where the basis lies there. Score on the CPU (backend wasm).");
    return new CpuSlot(this);
  }

  async gram(): Promise<Float64Array> {
    const n = this.columns.count;
    const gram = new Float64Array(n * n);
    for (const { index } of this.space.segments) {
      const views = columnViews(this.columns, this.at(index), this.#multiplied(index));
      for (let i = 0; i < n; i++) {
        for (let j = i; j < n; j++) {
          const sum = addBlocks(dotBlocks(views[i] as View, views[j] as View, "dot"));
          gram[i * n + j]! += sum * this.factors.at(index, i) * this.factors.at(index, j); // n × n
        }
      }
    }
    return mirror(gram, n);
  }

  async statistics(vectors: number): Promise<VectorStatistics> {
    const segments = this.space.segments.length;
    const out = { dots: new Float64Array(segments * vectors * vectors), zeros: new Float64Array(segments * vectors), conflicts: new Float64Array(segments) };
    for (const { index, length } of this.space.segments) {
      const columns = unmasked(this.columns).slice(0, vectors);
      const views = columnViews(this.columns, this.at(index), this.#multiplied(index));
      const deltas = columns.map((column) => (views[column] as View).values);
      const scale = (vector: number) => this.factors.at(index, columns[vector] as number);
      const sum = (kind: Reduction, a: Float32Array, b: Float32Array) => addBlocks(reduceBlocks(kind, a, b, null, null));
      deltas.forEach((a, i) => {
        out.zeros[index * vectors + i] = sum("zeros", a, a);
        deltas.forEach((b, j) => {
          if (j >= i) putSymmetric(out.dots, index, vectors, i, j, sum("dot", a, b) * scale(i) * scale(j));
        });
      });
      out.conflicts[index] = addBlocks(conflictBlocks(deltas, length));
    }
    return out;
  }

  /** Low-rank directions of a segment multiplied out, without their scales. */
  #multiplied(segment: number): Float32Array[] {
    return (this.#low[segment] as Low).map((factors) => {
      const values = new Float32Array((this.space.segments[segment] as Segment).length);
      if (factors) addLowRank(values, { ...factors, scale: 1 }, 0);
      return values;
    });
  }

  destroy(): void {
    this.#stored.length = 0;
    this.#low.length = 0;
  }
}

interface View {
  readonly values: Float32Array;
  readonly mask: Uint32Array | null;
}

function columnViews(columns: Columns, stored: Stored, low: readonly Float32Array[]): View[] {
  const views: View[] = [{ values: stored.base, mask: null }];
  for (const d of columns.dense) views[d.column] = { values: stored.deltas[d.dense] as Float32Array, mask: null };
  for (const l of columns.low) views[l.column] = { values: low[l.low] as Float32Array, mask: null };
  for (const m of columns.masked) views[m.column] = { values: (views[m.of] as View).values, mask: stored.masks[m.plane] as Uint32Array };
  return views;
}

const lowOf = ({ low }: Columns, column: number): number => low.findIndex((one) => one.column === column);

/** Columns of directions that are no masks, without the base. */
export const unmasked = ({ dense, low }: Columns): number[] => [...dense, ...low].map(({ column }) => column).sort((a, b) => a - b);

/** Stored numbers that are not finite, by column. */
export class NonFinite {
  readonly #byColumn: number[];
  readonly #columns: readonly number[];

  constructor(directions: readonly DirectionSpec[], columns: Columns) {
    this.#byColumn = directions.map(() => 0);
    this.#columns = [0, ...unmasked(columns)];
  }

  add(column: number | undefined, count: number): void {
    if (column !== undefined) this.#byColumn[column] = (this.#byColumn[column] ?? 0) + count;
  }

  get any(): boolean {
    return this.#byColumn.some((count) => count > 0);
  }

  /** As `Basis.seal` tells them. */
  get counts(): number[] {
    return this.#columns.map((column) => this.#byColumn[column] ?? 0);
  }
}

const dotBlocks = (a: View, b: View, kind: Reduction) => reduceBlocks(kind, a.values, b.values, a.mask, b.mask);

/** Entry (i, j) and (j, i) of the matrix of one segment. */
export function putSymmetric(matrices: Float64Array, segment: number, n: number, i: number, j: number, value: number): void {
  matrices[(segment * n + i) * n + j] = value;
  matrices[(segment * n + j) * n + i] = value;
}

/** The lower triangle from the upper one. */
export function mirror(gram: Float64Array, n: number): Float64Array {
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) gram[i * n + j] = gram[j * n + i] as number;
  return gram;
}

export class CpuSlot implements Slot {
  readonly bind = "cpu";
  readonly buffers: readonly GPUBuffer[] = [];
  readonly arrays: readonly Float32Array[];
  readonly #basis: CpuBasis;

  constructor(basis: CpuBasis) {
    this.#basis = basis;
    this.arrays = basis.space.segments.map((segment) => new Float32Array(segment.length));
  }

  async materialise(coefficients: Float64Array): Promise<{ nonFinite: boolean }> {
    const table = this.#basis.factors.table(coefficients);
    let finite = true;
    for (const segment of this.#basis.space.segments) {
      finite = this.#basis.write(segment, table, this.arrays[segment.index] as Float32Array) && finite;
    }
    return { nonFinite: !finite };
  }

  async write(weights: readonly Float32Array[]): Promise<{ nonFinite: boolean }> {
    return { nonFinite: overwrite(this.arrays, weights) };
  }

  async read(): Promise<Float32Array[]> {
    return this.arrays.map((array) => array.slice());
  }

  destroy(): void {}
}

export function checkPut(space: Space, columns: Columns, segment: number, base: Float32Array, experts: readonly Float32Array[]): void {
  const length = space.segments[segment]?.length;
  const name = space.segments[segment]?.name ?? `segment ${segment}`;
  if (experts.length !== columns.dense.length || [base, ...experts].some((array) => array.length !== length)) {
    throw new LabError("internal", `${name} has ${length} elements and ${columns.dense.length} experts; ${experts.length} arrays of other lengths were given.`);
  }
}

export function checkSealed(space: Space, columns: Columns, has: (segment: number) => boolean, hasLow: (segment: number, low: number) => boolean): void {
  const lacking = (segment: number) => columns.low.some(({ low, ranks }) => (ranks[segment] ?? 0) > 0 && !hasLow(segment, low));
  const missing = space.segments.find((segment) => !has(segment.index) || lacking(segment.index));
  if (missing) throw new LabError("internal", `${missing.name} was never put into the basis${has(missing.index) ? " with all its factors" : ""}.`);
}
