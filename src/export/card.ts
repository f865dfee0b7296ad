/**
 * The model card that goes along with a merge: front matter as model hubs read it, then method, models, configuration and
 * results. It holds no times, so the same merge gives the same card.
 */
import type { Report } from "../recipe/report.ts";
import { markdown as plain, scalar as text } from "./words.ts";

export type Told = Pick<Report, "recipe" | "scores" | "runs" | "formulas">;

/** `sentence`: the result in plain words. */
export function modelCard(report: Told, id: string, sentence: string): string {
  const { recipe } = report;
  const models = [recipe.base.model, ...recipe.experts.map(({ model }) => model)];
  const run = [...recipe.runs, ...recipe.compare].find((one) => one.id === id);
  return `---
base_model:
${models.map((model) => `  - ${text(model)}`).join("\n")}
base_model_relation: merge
tags:
  - merge
  - murmuration
library_name: transformers.js
license: ${models.every((model) => model.startsWith("zoo/")) ? "mit" : "other"}
pipeline_tag: ${pipelineOf(report)}
---
# ${plain(recipe.title || `A merge of ${recipe.experts.map((expert) => expert.id).join(", ")}`)}

${sentence}

This is a merge of fine-tuned models, made with Murmuration.
${layout(report)}
## Merge Method

\`${run?.method ?? id}\`${how(report, id)}

## Models Merged

- ${plain(recipe.base.model)} (base)
${recipe.experts.map((expert) => `- ${plain(expert.model)} (${expert.id})`).join("\n")}

## Configuration

\`\`\`json
${JSON.stringify(recipe, null, 2)}
\`\`\`

## Results

On samples no search has seen; 95 % intervals where the number of samples gives one.

${table(report, id)}
`;
}

/** What the Hub calls the use of it. Tasks of texts say their kind once they are settled. */
function pipelineOf({ recipe }: Told): string {
  const kinds = new Set(recipe.tasks.map(({ kind }) => kind));
  if (kinds.has("classification") || kinds.has("regression")) return "text-classification";
  return [...kinds].some((kind) => kind !== undefined) ? "text-generation" : "image-classification";
}

function layout({ recipe }: Told): string {
  const heads = [...new Set(recipe.tasks.flatMap(({ head }) => (head === undefined ? [] : [head])))];
  if (heads.length === 0) return "";
  return `
Its tasks have heads of their own: ${heads.map((head) => `\`${head}/\``).join(", ")} each hold the merged body under one head and load by
themselves; \`onnx/model.onnx\` holds the body once, with an output \`logits.<task>\` for each.
`;
}

/** The formula of a data-free merge; the winner of a search as numbers, when they are few enough to read. */
function how(report: Told, id: string): string {
  const run = report.runs.find((one) => one.id === id);
  const formula = report.formulas?.[id];
  if (formula !== undefined) {
    const tuned = run !== undefined && run.cost.evaluations > 1 && run.best ? `, tuned: evaluation ${run.best.evaluation} of ${run.cost.evaluations}, digest \`${run.digest}\`` : "";
    return `${tuned}:\n\n\`\`\`\n${formula}\n\`\`\``;
  }
  if (run?.best?.candidate.kind !== "coefficients") return ".";
  const { values } = run.best.candidate;
  const terms = run.basis.flatMap((column, i) => {
    const value = values[i] ?? 0;
    return column === "base" || value === 0 ? [] : [`${value.toFixed(4)} · ${column}`];
  });
  const found = `: evaluation ${run.best.evaluation} of ${run.cost.evaluations}, digest \`${run.digest}\`.`;
  return terms.length === 0 ? `${found} The base itself.` : `${found} The base plus these task vectors:\n\n\`\`\`\n${terms.join("\n")}\n\`\`\``;
}

function table({ recipe, scores }: Told, id: string): string {
  const tasks = [...recipe.tasks.map((task) => task.id), "mean"];
  const models = [...new Set(["base", ...recipe.experts.map((expert) => expert.id), ...recipe.compare.map((one) => one.id), ...recipe.runs.map((one) => one.id)])].filter((one) => scores[one]);
  const cell = (model: string, task: string) => {
    const score = scores[model]?.[task];
    if (score?.test === undefined || score.test === null) return "";
    const [low, high] = score.interval ?? [];
    return low === undefined || high === undefined ? score.test.toFixed(3) : `${score.test.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`;
  };
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    row(["", ...tasks]),
    row(["---", ...tasks.map(() => "---")]),
    ...models.map((model) => row([model === id ? `**${model}**` : model, ...tasks.map((task) => cell(model, task))])),
  ].join("\n");
}
