/** Files of a reference for whoever reads them a range at a time in another thread: where their bytes lie, rather than the bytes. */
import type { HubFolder, HubProgress, MountedFile } from "../threads/hub.ts";
import { LabError } from "../lib/error.ts";
import { openFolder, type Place } from "./sources/source.ts";

/** Smaller ones are downloaded whole and kept. */
const LARGE_BYTES = 8 << 20;

export async function folderTold(reference: string, place: Place): Promise<HubFolder> {
  const { files, revision, adapter, peek } = await openFolder(reference, place);
  return { reference, files: files.map(({ path, bytes = 0, sha256 }) => ({ path, bytes, ...(sha256 === undefined ? {} : { sha256 }) })), remote: peek !== undefined, adapter: adapter !== undefined, ...(revision === undefined ? {} : { revision }) };
}

/** Downloaded and verified first, where it is on the Hub. Its path is for messages: with the reference. */
export async function placeOf(reference: string, path: string, place: Place, onProgress?: HubProgress): Promise<MountedFile> {
  const folder = await openFolder(reference, place);
  const listed = folder.files.find((file) => file.path === path);
  if (!listed) throw new LabError("not-found", `There is no ${path} in ${reference}.`, { details: { reference, path } });
  const there = folder.where ? await folder.where(path, onProgress) : { blob: new Blob([(await folder.read(path, onProgress)).bytes]) };
  return { ...there, path: `${reference}/${path}`, bytes: listed.bytes ?? 0 };
}

/** Some bytes of a file, without downloading the rest. */
export async function bytesOf(reference: string, path: string, begin: number, end: number, place: Place): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await openFolder(reference, place);
  const large = (folder.files.find((file) => file.path === path)?.bytes ?? 0) > LARGE_BYTES;
  const source = large && folder.peek ? folder.peek(path) : (await folder.open(path)).source;
  return (await source.read(begin, end)).slice(); // it may be a view, and is given away
}
