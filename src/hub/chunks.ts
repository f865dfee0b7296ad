/**
 * Files that lie in chunks of equal size (the last is shorter), in IndexedDB or in memory, read a range at a time. Chunks are typed arrays: a Blob
 * a chunk is slower to store, and stays in memory until the garbage collector happens to come by.
 */
import { promisifyRequest as done } from "idb-keyval";
import type { ByteSource } from "../checkpoint/safetensors/source.ts";
import { LabError } from "../lib/error.ts";
import type { KeptFile } from "../threads/hub.ts";
import { openStore, type Store } from "./store.ts";

/** One fills while another is on its way to the disk; three files download at once. */
export const CHUNK_BYTES = 8 << 20;

/** All chunks of one file, in order. */
export const chunksOf = (key: string): IDBKeyRange => IDBKeyRange.bound([key, 0], [key, Infinity]);
export const countOf = (bytes: number): number => Math.ceil(bytes / CHUNK_BYTES);

export class ChunkSource implements ByteSource {
  /** The last one read: small tensors lie side by side. */
  #last: { index: number; bytes: Promise<Uint8Array<ArrayBuffer>> } | null = null;

  /** `memory`: chunks that the disk did not take, by index. */
  constructor(private readonly store: Store, private readonly key: string, private readonly name: string, readonly size: number, private readonly memory: ReadonlyMap<number, Uint8Array<ArrayBuffer>> = new Map()) {}

  /** Nothing of it is only here. */
  get isKept(): boolean {
    return this.memory.size === 0;
  }

  /** For another thread, where it is not kept: takes as much memory as the file. */
  async blob(): Promise<Blob> {
    return new Blob(await Promise.all(Array.from({ length: countOf(this.size) }, (_, index) => this.#load(index))));
  }

  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(end - begin);
    for (let at = begin; at < end; ) {
      const index = Math.floor(at / CHUNK_BYTES);
      const chunk = await this.#chunk(index);
      const part = chunk.subarray(at - index * CHUNK_BYTES, Math.min(chunk.length, end - index * CHUNK_BYTES));
      out.set(part, at - begin);
      at += part.length;
    }
    return out;
  }

  #chunk(index: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#last?.index === index) return this.#last.bytes;
    const bytes = this.#load(index);
    this.#last = { index, bytes };
    bytes.catch(() => (this.#last = null));
    return bytes;
  }

  async #load(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const held = this.memory.get(index);
    if (held) return held;
    let chunk: unknown;
    let cause: unknown;
    try {
      chunk = await this.store("readonly", ({ chunks }) => done<unknown>(chunks.get([this.key, index])));
    } catch (error) {
      cause = error;
    }
    if (chunk instanceof Uint8Array && chunk.length === Math.min(CHUNK_BYTES, this.size - index * CHUNK_BYTES)) return chunk as Uint8Array<ArrayBuffer>;
    throw new LabError("quota", `${this.name} was removed from the browser's storage while it was read. Load it again; it is then downloaded anew.`, { cause, details: { file: this.name } });
  }
}

const stores = new Map<string, Store>();

/** A file that the hub keeps, read by any thread of this site. */
export function keptSource({ database, key }: KeptFile, name: string, bytes: number): ByteSource {
  let store = stores.get(database);
  if (!store) stores.set(database, (store = openStore(database)));
  return new ChunkSource(store, key, name, bytes);
}
