/** The model card of merged folders: front matter as model hubs read it, method, models, configuration. No times, so the same merge gives the same card. */
import type { Report } from "../recipe/report.ts";
import { markdown, scalar } from "./words.ts";

/** `yaml`: the merge as a mergekit file, or null where mergekit has no words for it. */
export function folderCard({ recipe, runs, warnings }: Pick<Report, "recipe" | "runs" | "warnings">, yaml: string | null): string {
  const [run] = runs;
  const models = [...new Set([recipe.base.model, ...recipe.experts.map(({ model }) => model)])];
  const isHub = (model: string) => /^[^./][^/]*\/[^/]+$/.test(model);
  const listed = models.filter(isHub);
  return `---
${listed.length > 0 ? `base_model:\n${listed.map((model) => `  - ${scalar(model)}`).join("\n")}\nbase_model_relation: merge\n` : ""}tags:
  - merge
  - mergekit
  - murmuration
library_name: transformers
---
# ${markdown(recipe.title || `A merge of ${recipe.experts.map(({ id }) => id).join(", ")}`)}

This is a merge of models, made tensor by tensor with Murmuration; nothing was scored.

## Merge Method

\`${run?.method ?? "?"}\`, digest of the weights \`${run?.digest ?? "?"}\`.

## Models Merged

${models.map((model) => `- ${markdown(model)}`).join("\n")}

## Configuration

${yaml === null ? `\`\`\`json\n${JSON.stringify(recipe, null, 2)}\n\`\`\`` : `\`\`\`yaml\n${yaml.trimEnd()}\n\`\`\``}
${warnings.length > 0 ? `\n## Warnings\n\n${warnings.map(({ message }) => `- ${markdown(message)}`).join("\n")}\n` : ""}`;
}
