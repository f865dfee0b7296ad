/** What was seen before a merge, as a table for spreadsheets: one line a layer, or a tensor. */
import { csv } from "../lib/csv.ts";
import type { Statistics } from "../threads/merge.ts";

export function statisticsCsv({ experts, layers, tensors }: Statistics, by: "layers" | "tensors" = "layers"): string {
  const pairs = experts.flatMap((a, i) => experts.slice(i + 1).map((b) => [a, b] as const));
  const head = ["layer", "name", "elements", ...experts.map((id) => `norm ${id}`), ...pairs.map(([a, b]) => `cosine ${a} ${b}`), "sign conflicts", ...experts.map((id) => `zeros ${id}`)];
  return csv([head, ...(by === "layers" ? layers : tensors).map((row) => [
    row.layer, row.name, row.elements, ...experts.map((id) => row.norm[id]), ...pairs.map(([a, b]) => row.cosine[a]?.[b]), row.signConflicts, ...experts.map((id) => row.zeros[id]),
  ])]);
}
