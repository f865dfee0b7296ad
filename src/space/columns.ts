/** Directions sorted for the kernels: the base, then each dense direction followed by its masked ones, then those of low rank likewise. */
import { LabError } from "../lib/error.ts";
import type { DirectionSpec, MaskRule } from "./types.ts";

export interface MaskedColumn {
  readonly column: number;
  /** Which bit plane, counted over all masked columns. */
  readonly plane: number;
  /** Column of the direction that it thins. */
  readonly of: number;
  /** Which dense direction that is, counted over dense ones; null: one of low rank. */
  readonly dense: number | null;
  readonly rule: MaskRule;
}

export interface DenseColumn {
  readonly column: number;
  readonly dense: number;
  readonly masked: readonly MaskedColumn[];
}

export interface LowColumn {
  readonly column: number;
  /** Counted over low-rank ones. */
  readonly low: number;
  /** One a segment. */
  readonly ranks: readonly number[];
  readonly masked: readonly MaskedColumn[];
}

export interface Columns {
  readonly count: number;
  readonly dense: readonly DenseColumn[];
  readonly low: readonly LowColumn[];
  readonly masked: readonly MaskedColumn[];
  readonly precision: "f32" | "f16";
}

export function readColumns(directions: readonly DirectionSpec[]): Columns {
  const ids = new Set(directions.map((d) => d.id));
  if (directions[0]?.kind !== "base" || directions.filter((d) => d.kind === "base").length !== 1 || ids.size !== directions.length) {
    throw new LabError("internal", "A basis needs the base as its first column, once, and a different id for each direction.");
  }
  const dense: { column: number; dense: number; masked: MaskedColumn[] }[] = [];
  const masked: MaskedColumn[] = [];
  const precisions = new Set<"f32" | "f16">();
  const low: (LowColumn & { masked: MaskedColumn[] })[] = [];
  directions.forEach((direction, column) => {
    if (direction.kind === "lowrank") low.push({ column, low: low.length, ranks: direction.ranks, masked: [] });
    if (direction.kind !== "dense") return;
    precisions.add(direction.precision);
    dense.push({ column, dense: dense.length, masked: [] });
  });
  if (precisions.size > 1) throw new LabError("internal", "All dense directions of one basis are stored alike: all f32 or all f16.");
  directions.forEach((direction, column) => {
    if (direction.kind !== "masked") return;
    const parent = [...dense, ...low].find((d) => directions[d.column]?.id === direction.of);
    if (!parent) throw new LabError("internal", `Direction ${direction.id} thins ${direction.of}, which is no dense or low-rank direction of this basis.`);
    if ("low" in parent && direction.rule.method === "magnitude") {
      throw new LabError("internal", `Direction ${direction.id} keeps the largest elements of ${direction.of}, which is kept as factors: to be compared they would all have to be multiplied out. Keep ${direction.of} dense.`);
    }
    const one = { column, plane: masked.length, of: parent.column, dense: "dense" in parent ? parent.dense : null, rule: direction.rule };
    parent.masked.push(one);
    masked.push(one);
  });
  return { count: directions.length, dense, low, masked, precision: [...precisions][0] ?? "f32" };
}
