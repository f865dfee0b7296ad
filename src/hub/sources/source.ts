/** A kind of place that models and samples come from: one file, and one line in the table. */
import { LabError } from "../../lib/error.ts";
import type { HubOptions, HubProgress, ZooFamily } from "../../threads/hub.ts";
import type { ModelFile } from "../../checkpoint/types.ts";
import type { Shelf } from "../shelf.ts";
import { mounted } from "./mounted.ts";
import { repository } from "./repository.ts";
import { zoo } from "./zoo.ts";

export interface Source {
  /** Whether a reference is of this kind. */
  matches(reference: string, options: HubOptions): boolean;
  open(reference: string, place: Place): Promise<Folder>;
}

export interface Place {
  readonly options: HubOptions;
  readonly shelf: Shelf;
}

/** The files of one reference. */
export interface Folder {
  readonly reference: string;
  /** Paths relative to the folder, "/" between parts. */
  readonly files: readonly ModelFile[];
  read(path: string, onProgress?: HubProgress): Promise<FolderFile>;
  /** What a family tells about its member. */
  readonly family?: ZooFamily;
  /** The family's map of names, wherever it lies. */
  readNames?(): Promise<FolderFile>;
}

export interface FolderFile {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
  /** Bytes that came over the network for it. */
  readonly downloaded: number;
}

/** First match wins; a mounted reference goes before everything. */
const sources: readonly Source[] = [mounted, zoo, repository];

export async function openFolder(reference: string, place: Place): Promise<Folder> {
  const source = sources.find((one) => one.matches(reference, place.options));
  if (!source) {
    throw new LabError("unknown-model", `"${reference.slice(0, 120)}" is no reference to a model. Write zoo/<family>/<name>, ./folder, or owner/name.`);
  }
  return source.open(reference, place);
}
