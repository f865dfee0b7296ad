/** Which directions a recipe's runs need: base, one task vector an expert, one a merge that a swarm starts from, and masked ones. */
import type { Recipe } from "../recipe/schema.ts";
import { type DerivedColumn, derivedColumns, sparsifiedColumns } from "../search/starts.ts";
import type { DirectionSpec } from "../space/types.ts";

/** Dense directions first, merges behind the experts in the order of `derivedOf`. */
export function directionsOf(recipe: Recipe, precision: "f32" | "f16"): DirectionSpec[] {
  const dense = (id: string): DirectionSpec => ({ kind: "dense", id, precision });
  const masked = unique(swarms(recipe).flatMap((run) => sparsifiedColumns(run, recipe)));
  return [{ kind: "base", id: "base" }, ...recipe.experts.map(({ id }) => dense(id)), ...derivedOf(recipe).map(({ id }) => dense(id)), ...masked];
}

/** Merges that become columns of the basis: each costs as much memory as an expert. */
export function derivedOf(recipe: Recipe): DerivedColumn[] {
  return unique(swarms(recipe).flatMap((run) => derivedColumns(run, recipe)));
}

const swarms = (recipe: Recipe) => recipe.runs.filter((run) => run.method === "pso_merging");

function unique<T extends { readonly id: string }>(columns: readonly T[]): T[] {
  return columns.filter(({ id }, i) => columns.findIndex((other) => other.id === id) === i);
}
