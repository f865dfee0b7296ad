/**
 * Random search: λᵢ uniform in [low, high), one an expert, nothing else. The honest rival of every cleverer search.
 * u of expert i in evaluation e: word 0 of Philox(key = search seed, counter = (e, 0, 2, i)).
 */
import { philox, seedKey, uniform } from "../../lib/philox.ts";
import { coefficients, ListedSearch } from "../listed.ts";
import { rowOver } from "../../methods/coefficients.ts";
import type { Ingredients, Search } from "../types.ts";
import type { RandomRun } from "./fields.ts";

/** Draws 0 and 1 are the swarm's. */
const DRAW = 2;

export function openRandom(run: RandomRun, { experts, seeds }: Ingredients, columns: readonly string[]): Search {
  const key = seedKey(seeds.search);
  const spread = run.high - run.low;
  return new ListedSearch(run.evaluations, run.evaluations, (evaluation) => {
    const lambdas = experts.map((_, i) => run.low + spread * uniform(philox([evaluation, 0, DRAW, i], key)[0] ?? 0));
    return { origin: "random", candidate: coefficients(rowOver(columns, experts, 1, lambdas)) };
  });
}
