/** Where a swarm starts, and which masked directions that needs in the basis. */
import type { DirectionSpec } from "../space/types.ts";
import { columnOf, rowOver, short } from "../methods/coefficients.ts";
import { linear } from "../methods/linear/row.ts";
import { taskArithmetic } from "../methods/task_arithmetic/row.ts";
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
    const method = typeof start === "object" && "method" in start ? start : null;
    if (start === "linear" || method?.method === "linear") {
      const parameters = method?.method === "linear" ? method : { normalize: true };
      return [{ origin: "linear", row: linear(parameters, ingredients, columns) }];
    }
    const parameters = method?.method === "task_arithmetic" ? method : { lambda: 0.3, normalize: false };
    return [{ origin: `task_arithmetic(${short(parameters.lambda)})`, row: taskArithmetic(parameters, ingredients, columns) }];
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
