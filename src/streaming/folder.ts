/** One folder of a merge: its files by name, and where their bytes are read. */
import type { ByteSource, SourceFile } from "../checkpoint/safetensors/source.ts";
import { LabError } from "../lib/error.ts";
import type { HubFolder, HubProgress, MountedFile } from "../threads/hub.ts";
import type { StreamingHub } from "../threads/streaming.ts";
import { sourceOf } from "./places.ts";

/** A configuration or tokenizer beyond this is none. */
const SMALL_MOST = 256e6;

export interface ModelFolder {
  readonly reference: string;
  readonly told: HubFolder;
  has(path: string): boolean;
  /** Where its bytes lie; downloaded first, from the Hub. */
  place(path: string): Promise<MountedFile>;
  /** A small file that it has. */
  bytes(path: string): Promise<Uint8Array<ArrayBuffer>>;
  text(path: string): Promise<string>;
}

export interface OpenOptions {
  readonly hub: StreamingHub;
  /** false: headers of files on the Hub are read where they lie; nothing is downloaded. */
  readonly download: boolean;
  readonly onProgress?: HubProgress;
}

/** A file of a folder. */
export interface FileOf {
  readonly folder: ModelFolder;
  readonly path: string;
}

/** Files are known to checkpoints by reference and path. */
export function fileIn(folder: ModelFolder, { file }: { readonly file: string }): FileOf {
  return { folder, path: file.slice(folder.reference.length + 1) };
}

export async function openFolder(reference: string, { hub, onProgress }: OpenOptions): Promise<ModelFolder> {
  const told = await hub.folder(reference);
  const has = (path: string) => told.files.some((file) => file.path === path);
  const places = new Map<string, Promise<MountedFile>>();
  const place = (path: string) => {
    let found = places.get(path);
    if (!found) places.set(path, (found = hub.place(reference, path, onProgress)));
    return found;
  };
  const bytes = async (path: string) => {
    const size = told.files.find((file) => file.path === path)?.bytes ?? 0;
    if (size > SMALL_MOST) throw new LabError("bad-safetensors", `${reference}/${path} has ${(size / 1e6).toFixed(0)} MB, more than any such file needs.`);
    return hub.bytes(reference, path, 0, size);
  };
  return { reference, told, has, place, bytes, text: async (path) => new TextDecoder().decode(await bytes(path)) };
}

/** All files of a folder, read from where they lie. */
export function sourcesOf(folder: ModelFolder, { hub, download }: OpenOptions): SourceFile[] {
  const { reference, told } = folder;
  return told.files.map(({ path, bytes }): SourceFile => {
    const source: ByteSource = download
      ? lazySource(bytes, async () => sourceOf(await folder.place(path)))
      : { size: bytes, read: (begin, end) => hub.bytes(reference, path, begin, end) };
    return { path: `${reference}/${path}`, source }; // as messages name it
  });
}

function lazySource(size: number, open: () => Promise<ByteSource>): ByteSource {
  let source: Promise<ByteSource> | null = null;
  return { size, read: async (begin, end, signal) => (await (source ??= open())).read(begin, end, signal) };
}
