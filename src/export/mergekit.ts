/**
 * `mergekit_config.yml` of a merge, where mergekit has a method for exactly what was done: a winner that is a plain combination
 * of whole task vectors is its task_arithmetic (or linear, where the base is weighted too). Masked directions are not.
 */
import type { Told } from "./card.ts";

export function mergekitConfig(report: Told, id: string): string | null {
  const weights = weightsOf(report, id);
  if (!weights) return null;
  const { recipe } = report;
  const base = recipe.base.model;
  const sum = weights.experts.reduce((total, weight) => total + weight, 0);
  const entry = (model: string, weight: number) => `  - model: ${JSON.stringify(model)}\n    parameters:\n      weight: ${weight}`;
  const experts = recipe.experts.map(({ model }, i) => entry(model, weights.experts[i] ?? 0));
  const affine = weights.base === 1;
  // c₀θ₀ + Σ cᵢ(θᵢ − θ₀) = (c₀ − Σ cᵢ)θ₀ + Σ cᵢθᵢ
  const models = affine ? experts : [entry(base, weights.base - sum), ...experts];
  return `# The shared body; task heads are each expert's own.
merge_method: ${affine ? "task_arithmetic" : "linear"}
${affine ? `base_model: ${JSON.stringify(base)}\n` : ""}models:
${models.join("\n")}
parameters:
  normalize: false
dtype: ${recipe.out_dtype}
`;
}

/** Coefficients of base and experts, or null where something else is in the merge. */
function weightsOf({ recipe, runs }: Told, id: string): { base: number; experts: number[] } | null {
  const run = runs.find((one) => one.id === id);
  if (run) {
    if (run.best?.candidate.kind !== "coefficients") return null;
    const coefficients = new Map(run.basis.map((column, i) => [column, run.best?.candidate.kind === "coefficients" ? (run.best.candidate.values[i] ?? 0) : 0]));
    const experts = recipe.experts.map((expert) => coefficients.get(expert.id) ?? 0);
    const known = new Set(["base", ...recipe.experts.map((expert) => expert.id)]);
    for (const [column, value] of coefficients) if (value !== 0 && !known.has(column)) return null;
    return { base: coefficients.get("base") ?? 1, experts };
  }
  const merge = recipe.compare.find((one) => one.id === id);
  if (!merge) return null;
  const weights = recipe.experts.map((expert) => merge.weights?.[expert.id] ?? expert.parameters.weight);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (merge.method === "linear") return merge.normalize ? { base: 1, experts: weights.map((weight) => weight / sum) } : { base: sum, experts: weights };
  if (typeof merge.lambda !== "number") return null;
  const divisor = merge.normalize && Math.abs(sum) >= 1e-8 ? sum : 1;
  const { lambda } = merge;
  return { base: 1, experts: weights.map((weight) => (lambda * weight) / divisor) };
}
