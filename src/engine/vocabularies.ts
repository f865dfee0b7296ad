/** Experts whose tokenizer counts other words than the base's: their embeddings are merged row by row with those of other words. */
import type { LoadedModel } from "../threads/hub.ts";
import type { LabEvent } from "../threads/events.ts";
import type { Hub } from "./loading.ts";

const FILE = "tokenizer.json";

/** A warning an expert. Files of one size are taken for the same; others are read and compared word by word. */
export async function compareVocabularies(models: readonly { readonly id: string; readonly model: LoadedModel }[], hub: Hub, emit: (event: LabEvent) => void): Promise<void> {
  const [base, ...experts] = models;
  const own = base && fileOf(base.model);
  if (!base || !own) return;
  const suspects = experts.filter(({ model }) => {
    const file = fileOf(model);
    return file && (file.sha256 && own.sha256 ? file.sha256 !== own.sha256 : file.bytes !== own.bytes);
  });
  if (suspects.length === 0) return;
  const words = await wordsOf(base.model, hub);
  for (const { id, model } of suspects) {
    const other = await wordsOf(model, hub);
    const found = words && other && firstDifference(words, other);
    if (!found) continue;
    emit({
      type: "warning", code: "other-vocabulary", details: { model: id },
      message: `${id} (${model.ref}) has another vocabulary than the base: token ${found.id} is "${found.theirs}" there and "${found.base}" in the base. Where their embeddings are merged, words are mixed with other words; take an expert with the base's tokenizer.`,
    });
  }
}

const fileOf = ({ files }: LoadedModel) => files.find(({ path }) => path === FILE);

/** Token number → word; null where the file tells no vocabulary. */
async function wordsOf({ handle }: LoadedModel, hub: Hub): Promise<ReadonlyMap<number, string> | null> {
  try {
    const { model } = JSON.parse(new TextDecoder().decode(await hub.file(handle, FILE))) as { model?: { vocab?: unknown } };
    const vocabulary = model?.vocab;
    if (Array.isArray(vocabulary)) return new Map(vocabulary.map((entry, id) => [id, String(Array.isArray(entry) ? entry[0] : entry)]));
    if (typeof vocabulary !== "object" || vocabulary === null) return null;
    return new Map(Object.entries(vocabulary).map(([word, id]) => [Number(id), word]));
  } catch {
    return null; // a broken tokenizer is told of where it is used
  }
}

export function firstDifference(base: ReadonlyMap<number, string>, other: ReadonlyMap<number, string>): { id: number; base: string; theirs: string } | null {
  for (const [id, word] of [...base].sort(([a], [b]) => a - b)) {
    const theirs = other.get(id);
    if (theirs !== undefined && theirs !== word) return { id, base: word, theirs };
  }
  return null;
}
