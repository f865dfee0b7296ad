/** Where a swarm starts, and which directions that needs in the basis: masked task vectors, and those of data-free merges. */
import type { DirectionSpec } from "../space/types.ts";
import { columnOf, rowOver } from "../methods/coefficients.ts";
import { columnNameOf, isRow, originOf, rowOf } from "../methods/rows.ts";
import type { MergeRun, MergeStart } from "../methods/runs.ts";
import type { Sparsify, Start } from "./pso/fields.ts";
import type { Ingredients, StartingPoint } from "./types.ts";

type Masked = Extract<DirectionSpec, { kind: "masked" }>;

export function rescalingOf({ method, rescaling }: Sparsify): NonNullable<Sparsify["rescaling"]> {
  return rescaling ?? (method === "dare" ? "inverse" : "none");
}

/** Column of one sparsified expert: "digits:dare(0.2)"; a rescaling that is not the usual one is said. */
export function sparsifiedId(expert: string, rule: Sparsify): string {
  const rescaling = rescalingOf(rule);
  const usual = rescaling === rescalingOf({ ...rule, rescaling: undefined });
  return `${expert}:${rule.method}(${rule.density}${usual ? "" : `,${rescaling}`})`;
}

/** Masked directions a run needs beside the experts' own, in order, each once. */
export function sparsifiedColumns(run: { readonly start?: readonly Start[] }, { experts, seeds }: Ingredients): Masked[] {
  const columns = new Map<string, Masked>();
  for (const start of run.start ?? []) {
    const rule = sparsifyOf(start);
    if (rule === null) continue;
    for (const { id: expert } of experts) {
      const id = sparsifiedId(expert, rule);
      const mask = { method: rule.method, density: rule.density, rescaling: rescalingOf(rule), seed: seeds.search, expert };
      columns.set(id, { kind: "masked", id, of: expert, rule: mask });
    }
  }
  return [...columns.values()];
}

/** A data-free merge as one more direction: merged − base. */
export interface DerivedColumn {
  readonly id: string;
  readonly run: MergeRun;
}

/** Merges that a run starts from and that are no coefficients over the experts' own columns, each once. */
export function derivedColumns(run: { readonly start?: readonly Start[] }, { experts }: Ingredients): DerivedColumn[] {
  const columns = new Map<string, DerivedColumn>();
  for (const start of run.start ?? []) {
    const merge = mergeOf(start);
    if (merge === null || isRow(merge, experts)) continue;
    const id = columnNameOf(merge);
    columns.set(id, { id, run: runOf(merge) });
  }
  return [...columns.values()];
}

/** A start as a run, for those who plan and check runs. */
export const runOf = (start: MergeStart): MergeRun => ({ ...start, id: start.method }) as MergeRun;

/** One point a particle, in the recipe's order. */
export function startingPoints(starts: readonly Start[], ingredients: Ingredients, columns: readonly string[]): StartingPoint[] {
  const { experts } = ingredients;
  const alone = (column: string) => {
    const row = rowOver(columns, [], 1, []);
    row[columnOf(columns, column)] = 1;
    return { origin: column, row };
  };
  return starts.flatMap((start): StartingPoint[] => {
    if (start === "base") return [{ origin: "base", row: rowOver(columns, [], 1, []) }];
    if (start === "experts") return experts.map(({ id }) => alone(id));
    const rule = sparsifyOf(start);
    if (rule !== null) return experts.map(({ id }) => alone(sparsifiedId(id, rule)));
    const merge = mergeOf(start);
    if (merge === null) return [];
    const row = rowOf(merge, ingredients, columns);
    return row === null ? [alone(columnNameOf(merge))] : [{ origin: originOf(merge), row }];
  });
}

/** How many particles `startingPoints` gives, known before anything is loaded. */
export function particleCount(starts: readonly Start[], experts: number): number {
  return starts.reduce((sum, start) => sum + (start === "experts" || sparsifyOf(start) !== null ? experts : 1), 0);
}

function sparsifyOf(start: Start): Sparsify | null {
  if (start === "sparsified_experts") return { method: "dare", density: 0.2 };
  return typeof start === "object" && "sparsified_experts" in start ? start.sparsified_experts : null;
}

/** The merge a start stands for, or null. */
export function mergeOf(start: Start): MergeStart | null {
  if (start === "linear") return { method: "linear", normalize: true } as MergeStart;
  if (start === "task_arithmetic") return { method: "task_arithmetic", lambda: 0.3, normalize: false } as MergeStart;
  return typeof start === "object" && "method" in start ? start : null;
}
