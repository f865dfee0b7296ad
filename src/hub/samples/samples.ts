/** Samples of a reference: a bundled set of texts, sheets with samples.json, images in one folder a label, or tables. One line a kind. */
import { LabError } from "../../lib/error.ts";
import type { HubProgress, LoadedSamples } from "../../threads/hub.ts";
import type { Folder } from "../sources/source.ts";
import { imageFolder } from "./imageFolder.ts";
import { sheets } from "./sheets.ts";
import { tables } from "./tables.ts";
import { textSet } from "./textSet.ts";

export interface SampleKind {
  matches(folder: Folder): boolean;
  load(folder: Folder, onProgress?: HubProgress): Promise<LoadedSamples>;
}

const kinds: readonly SampleKind[] = [textSet, sheets, imageFolder, tables];

export function loadSamples(folder: Folder, onProgress?: HubProgress): Promise<LoadedSamples> {
  const kind = kinds.find((one) => one.matches(folder));
  if (!kind) {
    throw new LabError("bad-samples", `${folder.reference} holds no samples: neither samples.json with what it describes, nor PNG images in one folder a label, nor a table (.jsonl, .json, .csv).`, { details: { reference: folder.reference } });
  }
  return kind.load(folder, onProgress);
}
