/** A kind of place that models and samples come from: one file, and one line in the table. */
import type { ByteSource } from "../../checkpoint/safetensors/source.ts";
import { LabError } from "../../lib/error.ts";
import { parseReference, referenceProblem } from "../../lib/reference.ts";
import { show } from "../../lib/words.ts";
import type { HubOptions, HubProgress, MountedFile, ZooFamily } from "../../threads/hub.ts";
import type { ModelFile } from "../../checkpoint/types.ts";
import type { Remote } from "../remote/remote.ts";
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
  readonly remote: Remote;
}

/** The files of one reference. */
export interface Folder {
  readonly reference: string;
  /** Paths relative to the folder, "/" between parts. */
  readonly files: readonly ModelFile[];
  /** Whole, in memory. */
  read(path: string, onProgress?: HubProgress): Promise<FolderFile>;
  /** Verified and then read a range at a time: for files too large to be held. */
  open(path: string, onProgress?: HubProgress): Promise<OpenFile>;
  /** Where a file's bytes lie, for other threads; downloaded and verified first, on the Hub. Absent: `read` gives them. */
  where?(path: string, onProgress?: HubProgress): Promise<Pick<MountedFile, "blob" | "stored" | "kept" | "url">>;
  /** On the Hub: a file a range at a time where it lies, without downloading it. */
  peek?(path: string): ByteSource;
  /** Commit it was read at, 40 hex; absent outside the Hub. */
  readonly revision?: string;
  /** The LoRA adapter named after "+". */
  readonly adapter?: Folder;
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

export interface OpenFile {
  readonly source: ByteSource;
  /** null where it would take reading the whole file. */
  readonly sha256: string | null;
  readonly downloaded: number;
}

/** First match wins; a mounted reference goes before everything. */
const sources: readonly Source[] = [mounted, zoo, repository];

export async function openFolder(reference: string, place: Place): Promise<Folder> {
  const problem = referenceProblem(reference);
  const added = problem === null && !Object.hasOwn(place.options.mounts, reference) && parseReference(reference).adapter !== null;
  if (added) return withAdapter(reference, place);
  const source = sources.find((one) => one.matches(reference, place.options));
  if (source) return source.open(reference, place);
  if (problem !== null) throw new LabError("unknown-model", `${show(reference)} is no reference to a model: it ${problem}.`);
  throw new LabError("unknown-model", `${show(reference)} is no reference to a model. Write zoo/<family>/<name>, ./folder, or owner/name.`);
}

async function withAdapter(reference: string, place: Place): Promise<Folder> {
  const plus = reference.lastIndexOf("+");
  const [model, added] = await Promise.all([openFolder(reference.slice(0, plus), place), openFolder(reference.slice(plus + 1), place)]);
  return { ...model, reference, adapter: added };
}
