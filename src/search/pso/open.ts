/** From a recipe's run to a swarm: starting points, the store they live in, the rule they move by. */
import type { MoveRule, ResidentSwarm } from "../../space/types.ts";
import { particleCount, startingPoints } from "../starts.ts";
import type { Ground, Ingredients, Plan, Search } from "../types.ts";
import type { PsoMergingRun } from "./fields.ts";
import { PsoMerging } from "./pso.ts";
import { ResidentStore } from "./stores/resident.ts";
import { SubspaceStore } from "./stores/subspace.ts";

export function planPso({ start, steps }: PsoMergingRun, { experts }: Ingredients): Plan {
  const particles = particleCount(start, experts.length);
  return { evaluations: particles * (steps + 1), particles, steps };
}

export async function openPso<R extends ResidentSwarm>(
  run: PsoMergingRun, ingredients: Ingredients, ground: Ground<R>,
): Promise<{ search: Search; residence?: R }> {
  const { inertia, cognitive, social, random } = run;
  const rule: MoveRule = { inertia, cognitive, social, random, seed: ingredients.seeds.search };
  const starts = startingPoints(run.start, ingredients, ground.columns);
  if (run.swarm === "subspace") {
    return { search: new PsoMerging(run.steps, starts, new SubspaceStore(rule, ground.basis.space.segments.length)) };
  }
  const residence = await ground.settle(starts.length);
  return { search: new PsoMerging(run.steps, starts, new ResidentStore(rule, residence)), residence };
}
