/** Which directions a recipe's runs need: base, one task vector an expert, one a merge that a swarm starts from, and masked ones. */
import type { Recipe } from "../recipe/schema.ts";
import { type DerivedColumn, derivedColumns, sparsifiedColumns } from "../search/starts.ts";
import type { DirectionSpec } from "../space/types.ts";
import type { LowRankExperts } from "./loading.ts";

/** Experts first, merges behind them in the order of `derivedOf`. An adapter stays factors unless a mask asks for its largest elements. */
export function directionsOf(recipe: Recipe, precision: "f32" | "f16", lowRank: LowRankExperts): DirectionSpec[] {
  const dense = (id: string): DirectionSpec => ({ kind: "dense", id, precision });
  const masked = unique(swarms(recipe).flatMap((run) => sparsifiedColumns(run, recipe)));
  const expert = (id: string): DirectionSpec => {
    const ranks = lowRank.get(id);
    return ranks && !masked.some(({ of, rule }) => of === id && rule.method === "magnitude") ? { kind: "lowrank", id, ranks } : dense(id);
  };
  return [{ kind: "base", id: "base" }, ...recipe.experts.map(({ id }) => expert(id)), ...derivedOf(recipe).map(({ id }) => dense(id)), ...masked];
}

/** Merges that become columns of the basis: each costs as much memory as an expert. */
export function derivedOf(recipe: Recipe): DerivedColumn[] {
  return unique(swarms(recipe).flatMap((run) => derivedColumns(run, recipe)));
}

const swarms = (recipe: Recipe) => recipe.runs.filter((run) => run.method === "pso_merging");

function unique<T extends { readonly id: string }>(columns: readonly T[]): T[] {
  return columns.filter(({ id }, i) => columns.findIndex((other) => other.id === id) === i);
}
