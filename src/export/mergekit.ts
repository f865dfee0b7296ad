/**
 * `mergekit_config.yml` of a merge, where mergekit has a method for exactly what was done: a data-free merge as the recipe says it;
 * of a search, a winner that is a plain combination of whole task vectors is its task_arithmetic (or linear, where the base is weighted
 * too). Masked directions are not.
 */
import { mergekitProblem, toMergekitYaml, yamlOf } from "../recipe/mergekit/write.ts";
import type { MergeRun } from "../methods/runs.ts";
import type { Told } from "./card.ts";

const HEADING = "# The shared body; task heads are each expert's own.\n";

export function mergekitConfig(report: Told, id: string): string | null {
  const { recipe } = report;
  const winner = winnerOf(report, id);
  if (winner !== null) return `${HEADING}${winner}`;
  const merge = [...recipe.runs, ...recipe.compare].find((one) => one.id === id);
  if (merge === undefined || merge.method === "pso_merging" || merge.method === "random") return null;
  const settled = tuned(report, merge);
  return mergekitProblem(settled) === null ? `${HEADING}${toMergekitYaml(recipe, settled)}` : null;
}

/** With the number that was chosen where one was left open. */
function tuned({ runs }: Told, merge: MergeRun): MergeRun {
  const best = runs.find(({ id }) => id === merge.id)?.best?.candidate;
  return best?.kind === "method" ? ({ ...merge, ...best.parameters } as MergeRun) : merge;
}

/** c₀θ₀ + Σ cᵢ(θᵢ − θ₀) = (c₀ − Σ cᵢ)θ₀ + Σ cᵢθᵢ; null where something else is in the merge, or it was no search. */
function winnerOf({ recipe, runs }: Told, id: string): string | null {
  const run = runs.find((one) => one.id === id);
  if (run === undefined || run.best?.candidate.kind !== "coefficients") return null;
  const { values } = run.best.candidate;
  const coefficients = new Map(run.basis.map((column, i) => [column, values[i] ?? 0]));
  const known = new Set(["base", ...recipe.experts.map((expert) => expert.id)]);
  if ([...coefficients].some(([column, value]) => value !== 0 && !known.has(column))) return null;
  const base = coefficients.get("base") ?? 1;
  const experts = recipe.experts.map(({ id: expert, model }) => ({ model, parameters: { weight: coefficients.get(expert) ?? 0 } }));
  const sum = experts.reduce((total, { parameters }) => total + parameters.weight, 0);
  const affine = base === 1;
  return yamlOf({
    merge_method: affine ? "task_arithmetic" : "linear",
    ...(affine ? { base_model: recipe.base.model } : {}),
    models: affine ? experts : [{ model: recipe.base.model, parameters: { weight: base - sum } }, ...experts],
    parameters: { normalize: false },
    dtype: recipe.out_dtype,
  });
}
