/** Which directions a recipe's runs need: base, one task vector an expert, and masked ones for sparsified starts. */
import type { Recipe } from "../recipe/schema.ts";
import { sparsifiedColumns } from "../search/starts.ts";
import type { DirectionSpec } from "../space/types.ts";

export function directionsOf(recipe: Recipe, precision: "f32" | "f16"): DirectionSpec[] {
  const directions: DirectionSpec[] = [
    { kind: "base", id: "base" },
    ...recipe.experts.map(({ id }): DirectionSpec => ({ kind: "dense", id, precision })),
  ];
  const known = new Set<string>();
  for (const run of recipe.runs) {
    if (run.method !== "pso_merging") continue;
    for (const masked of sparsifiedColumns(run, recipe)) {
      if (known.has(masked.id)) continue;
      known.add(masked.id);
      directions.push(masked);
    }
  }
  return directions;
}
