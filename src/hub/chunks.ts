/**
 * Large files in chunks of equal size (the last is shorter) in IndexedDB, read a range at a time. Chunks are typed arrays: a Blob a chunk
 * stays in memory until the garbage collector happens to come by.
 */
import { promisifyRequest as done } from "idb-keyval";
import type { ByteSource } from "../checkpoint/safetensors/source.ts";
import { LabError } from "../lib/error.ts";
import type { KeptFile } from "../threads/hub.ts";
import { PIECE_BYTES, type Room, type Whereabouts, type Writing } from "./room.ts";
import { openStore, type Store } from "./store.ts";

/** All chunks of one file, in order. */
const chunksOf = (key: string): IDBKeyRange => IDBKeyRange.bound([key, 0], [key, Infinity]);
const countOf = (bytes: number): number => Math.ceil(bytes / PIECE_BYTES);

export class ChunkRoom implements Room {
  readonly kind = "chunks";

  constructor(private readonly database: string, private readonly store: Store) {}

  async begin(key: string): Promise<Writing> {
    const count = await this.#count(key);
    return {
      held: count * PIECE_BYTES,
      put: async (at, bytes) => {
        // A view would be stored with the whole buffer behind it.
        const chunk = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
        await this.store("readwrite", ({ chunks }) => done(chunks.put(chunk, [key, at / PIECE_BYTES])));
      },
      reset: async () => void (await this.delete(key)),
      close: () => Promise.resolve(),
    };
  }

  async open(key: string, name: string, bytes: number): ReturnType<Room["open"]> {
    if ((await this.#count(key)) < countOf(bytes)) return null;
    return { source: new ChunkSource(this.store, key, name, bytes), place: async (): Promise<Whereabouts> => ({ kept: { database: this.database, key } }) };
  }

  async delete(key: string): Promise<boolean> {
    await this.store("readwrite", ({ chunks }) => done(chunks.delete(chunksOf(key))));
    return true;
  }

  async clear(): Promise<void> {
    await this.store("readwrite", ({ chunks }) => done(chunks.clear()));
  }

  async keys(): Promise<string[]> {
    const all = await this.store("readonly", ({ chunks }) => done(chunks.getAllKeys()));
    return [...new Set((all as [string, number][]).map(([key]) => key))];
  }

  #count(key: string): Promise<number> {
    return this.store("readonly", ({ chunks }) => done(chunks.count(chunksOf(key))));
  }
}

class ChunkSource implements ByteSource {
  /** The last one read: small tensors lie side by side. */
  #last: { index: number; bytes: Promise<Uint8Array<ArrayBuffer>> } | null = null;

  constructor(private readonly store: Store, private readonly key: string, private readonly name: string, readonly size: number) {}

  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(end - begin);
    for (let at = begin; at < end; ) {
      const index = Math.floor(at / PIECE_BYTES);
      const chunk = await this.#chunk(index);
      const part = chunk.subarray(at - index * PIECE_BYTES, Math.min(chunk.length, end - index * PIECE_BYTES));
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
    let chunk: unknown;
    let cause: unknown;
    try {
      chunk = await this.store("readonly", ({ chunks }) => done<unknown>(chunks.get([this.key, index])));
    } catch (error) {
      cause = error;
    }
    if (chunk instanceof Uint8Array && chunk.length === Math.min(PIECE_BYTES, this.size - index * PIECE_BYTES)) return chunk as Uint8Array<ArrayBuffer>;
    throw new LabError("quota", `${this.name} was removed from the browser's storage while it was read. Load it again; it is then downloaded anew.`, { cause, details: { file: this.name } });
  }
}

const stores = new Map<string, Store>();

/** A file that the hub keeps in chunks, read by any thread of this site. */
export function keptSource({ database, key }: KeptFile, name: string, bytes: number): ByteSource {
  let store = stores.get(database);
  if (!store) stores.set(database, (store = openStore(database)));
  return new ChunkSource(store, key, name, bytes);
}
