/** A task on which no model is ever right is a task that is asked or judged wrongly more often than one that is hard: said, with an example. */
import { metricOf, type MetricName } from "../metrics/table.ts";
import type { SampleScores, SampleSet, TextTask } from "../types.ts";
import { readOut } from "./extract.ts";
import type { Extract } from "./settle.ts";

interface Asked {
  readonly id: string;
  readonly texts: TextTask | null;
  readonly recipe: { readonly metric?: MetricName | undefined; readonly extract?: Extract | undefined };
}

export interface NeverMatches {
  readonly code: "never-matches";
  readonly message: string;
  readonly details: { readonly task: string; readonly sample: string; readonly model: string };
}

const MOST_SHOWN = 120;

/** `scored`: what each model did on `set`; the first is shown. null: somebody was right, or being right is no matter here. */
export function neverMatches({ id, texts, recipe }: Asked, set: SampleSet, scored: readonly { readonly id: string; readonly scores: SampleScores }[]): NeverMatches | null {
  const [first] = scored;
  const n = first?.scores.correct.length ?? 0;
  if (!texts || set.kind !== "texts" || first === undefined || n === 0 || !metricOf(recipe).proportion) return null;
  if (scored.some(({ scores }) => scores.correct.includes(1))) return null;
  const sample = set.samples[0];
  const said = first.scores.texts?.[0];
  const told = (text: string) => JSON.stringify(text.length > MOST_SHOWN ? `${text.slice(0, MOST_SHOWN)}…` : text);
  const wanted = texts.kind === "code" ? "code that passes its tests" : told(sample?.answer?.trim() ?? sample?.choices?.[set.labels[0] ?? 0] ?? texts.labels[set.labels[0] ?? 0] ?? "");
  const read = said === undefined || recipe.extract === undefined || recipe.extract === "text" ? null : readOut(said, recipe.extract);
  const out = read !== null && read.trim() !== said?.trim() ? `, read as ${told(read)},` : said !== undefined && recipe.extract !== undefined && recipe.extract !== "text" && read === null ? ", of which nothing could be read," : "";
  const example = said === undefined ? `Of sample ${set.ids[0] ?? ""}, ${wanted} is right.` : `${first.id} said ${told(said)}${out} where ${wanted} was wanted (sample ${set.ids[0] ?? ""}).`;
  const advice = said === undefined ? "Look at answer and labels of the task." : "Look at prompt, extract, ignore and max_new_tokens of the task.";
  return { code: "never-matches", message: `Task ${id}: none of ${scored.length} models was right on any of ${n} samples. ${example} ${advice}`, details: { task: id, sample: set.ids[0] ?? "", model: first.id } };
}
