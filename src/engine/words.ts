/** What is for people and for mergekit beside a merged model: its card, and mergekit's own file where it has the method. */
import { modelCard } from "../export/card.ts";
import { mergekitConfig } from "../export/mergekit.ts";
import { sha256 } from "../lib/bytes.ts";
import type { Report } from "../recipe/report.ts";
import { resultSentence } from "../recipe/sentence.ts";
import type { ExportedFile } from "../threads/merge.ts";

/** `id`: a run or comparison of the report; other models have no words. */
export async function wordsOf(report: Report, id: string): Promise<ExportedFile[]> {
  if (![...report.recipe.runs, ...report.recipe.compare].some((one) => one.id === id)) return [];
  const texts: [string, string | null][] = [
    ["README.md", modelCard(report, id, resultSentence(report, id).text)],
    ["mergekit_config.yml", mergekitConfig(report, id)],
  ];
  const encoder = new TextEncoder();
  return Promise.all(
    texts.flatMap(([path, text]) => (text === null ? [] : [{ path, bytes: encoder.encode(text) }])).map(async (file) => ({ ...file, sha256: await sha256(file.bytes) })),
  );
}
