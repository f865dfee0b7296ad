import { expect, test } from "vitest";
import { compareVocabularies } from "../../src/engine/vocabularies.ts";
import type { Hub } from "../../src/engine/loading.ts";
import type { LoadedModel } from "../../src/threads/hub.ts";
import type { LabEvent } from "../../src/threads/events.ts";

const file = (vocab: unknown) => new TextEncoder().encode(JSON.stringify({ model: { vocab } }));

test("an expert that counts other words is told of, with the first such word", async () => {
  // Sizes differ in all: "more" only adds a word, which mixes nothing; "list" is the same as a list of pairs.
  const files = [file({ a: 0, b: 1 }), file({ b: 0, aa: 1 }), file({ a: 0, b: 1, c: 2 }), file([["a", -1], ["b", -2]])];
  const models = files.map((bytes, handle) => ({ id: ["base", "other", "more", "list"][handle] ?? "", model: { ref: `./${handle}`, handle, files: [{ path: "tokenizer.json", bytes: bytes.length }] } as unknown as LoadedModel }));
  const told: LabEvent[] = [];
  await compareVocabularies(models, { file: async (handle: number) => files[handle] } as unknown as Hub, (event) => told.push(event));
  expect(told).toHaveLength(1);
  expect(told[0]).toMatchObject({ code: "other-vocabulary", message: expect.stringContaining('other (./1) has another vocabulary than the base: token 0 is "b" there and "a" in the base') });
});
