/** Merges as coefficients: a weight an expert, put over the columns of the basis. */
import { LabError } from "../lib/error.ts";
import type { Setting } from "../lib/settings.ts";

/** What of a recipe's experts a row needs. */
export interface Ingredients {
  readonly experts: readonly { readonly id: string; readonly parameters: { readonly weight: Setting<number> } }[];
}

/** Weights in the recipe's order of experts: the run's own where it names them, else the experts'. */
export function weightsOf({ experts }: Ingredients, weights: Readonly<Record<string, number>> | undefined): number[] {
  return experts.map(({ id, parameters }) => (weights !== undefined && Object.hasOwn(weights, id) ? (weights[id] ?? 0) : plain(id, parameters.weight)));
}

/** A weight that varies over tensors is no coefficient: such a merge is no row (`isRow`). */
function plain(id: string, weight: Setting<number>): number {
  if (typeof weight !== "number") throw new LabError("internal", `The weight of ${id} varies over tensors; it is no coefficient.`);
  return weight;
}

/** base·θ₀ + Σ coefficientᵢ·δᵢ */
export function rowOver(
  columns: readonly string[], experts: Ingredients["experts"], base: number, coefficients: readonly number[],
): Float64Array {
  const row = new Float64Array(columns.length);
  row[0] = base;
  experts.forEach(({ id }, i) => {
    row[columnOf(columns, id)] = coefficients[i] ?? 0;
  });
  return row;
}

export function columnOf(columns: readonly string[], id: string): number {
  const column = columns.indexOf(id);
  if (column < 0) throw new LabError("internal", `The basis has no direction ${id}; it has ${columns.join(", ")}.`);
  return column;
}

/** A number as it stands in an origin: "task_arithmetic(0.45)". */
export function short(value: number): string {
  return String(Number(value.toPrecision(6)));
}
