/** Bytes of a file by where it lies: dropped on the page, kept by the hub, or served. */
import { blobSource, type ByteSource, urlSource } from "../checkpoint/safetensors/source.ts";
import { keptSource } from "../hub/chunks.ts";
import type { MountedFile } from "../threads/hub.ts";

export async function sourceOf({ path, bytes, blob, url, kept }: MountedFile): Promise<ByteSource> {
  if (kept) return keptSource(kept, path, bytes);
  return blob ? blobSource(blob, path) : urlSource(url ?? "", { name: path, size: bytes });
}
