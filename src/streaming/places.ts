/**
 * Bytes of a file by where it lies: dropped on the page, kept by the hub, or served. Read into buffers that are used again: what a browser
 * allocates for each read of a file it gives back only when it collects its garbage, which is gigabytes too late.
 */
import { blobSource, type ByteSource, urlSource } from "../checkpoint/safetensors/source.ts";
import { keptSource } from "../hub/chunks.ts";
import type { MountedFile } from "../threads/hub.ts";
import { storedReader } from "./stored.ts";

export interface Reader extends ByteSource {
  /** Bytes begin…end−1 at the start of `buffer`, which is taken over: it may come back as another object. */
  readInto(begin: number, end: number, buffer: ArrayBuffer): Promise<Uint8Array<ArrayBuffer>>;
}

export async function sourceOf({ path, bytes, blob, url, kept }: MountedFile): Promise<ByteSource> {
  if (kept) return keptSource(kept, path, bytes);
  return blob ? blobSource(blob, path) : urlSource(url ?? "", { name: path, size: bytes });
}

export async function readerOf(place: MountedFile): Promise<Reader> {
  const source = await sourceOf(place);
  const stored = place.stored === undefined ? null : await storedReader(place.stored, source);
  if (stored) return stored;
  return place.blob && streamsBytes() ? blobReader(place.blob, source) : copying(source);
}

export function copying(source: ByteSource): Reader {
  return {
    size: source.size,
    read: (begin, end, signal) => source.read(begin, end, signal),
    async readInto(begin, end, buffer) {
      const bytes = new Uint8Array(buffer, 0, end - begin);
      bytes.set(await source.read(begin, end));
      return bytes;
    },
  };
}

let known: boolean | null = null;
/** Whether files fill buffers that they are given. */
function streamsBytes(): boolean {
  if (known !== null) return known;
  try {
    void new Blob(["?"]).stream().getReader({ mode: "byob" }).cancel();
    return (known = true);
  } catch {
    return (known = false);
  }
}

/** Held while they are read from: Chromium collects a file's stream that nobody but its own pending read knows, and that read never ends. */
const reading = new Set<ReadableStreamBYOBReader>();

function blobReader(blob: Blob, source: ByteSource): Reader {
  return {
    size: source.size,
    read: (begin, end, signal) => source.read(begin, end, signal),
    async readInto(begin, end, buffer) {
      const length = end - begin;
      const reader = blob.slice(begin, end).stream().getReader({ mode: "byob" });
      reading.add(reader);
      let own = buffer;
      let at = 0;
      try {
        while (at < length) {
          const { value, done } = await reader.read(new Uint8Array(own, at, length - at));
          if (done || !value) break;
          own = value.buffer;
          at += value.byteLength;
        }
      } catch {
        at = -1; // said below, in the words of the source
      }
      reading.delete(reader);
      void reader.cancel().catch(() => undefined);
      const bytes = new Uint8Array(own.byteLength < length ? new ArrayBuffer(length) : own, 0, length);
      if (at < length) bytes.set(await source.read(begin, end));
      return bytes;
    },
  };
}

/** Buffers of one length, for reads that come and go. */
export class Buffers {
  readonly bytes: number;
  readonly #free: ArrayBuffer[] = [];

  constructor(bytes: number) {
    this.bytes = bytes;
  }

  take(): ArrayBuffer {
    return this.#free.pop() ?? new ArrayBuffer(this.bytes);
  }

  give(buffer: ArrayBuffer): void {
    if (buffer.byteLength === this.bytes) this.#free.push(buffer);
  }
}
