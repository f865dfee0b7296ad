/**
 * A large file while it downloads: chunks go to the disk as they fill, with the state of the hash, so that a reload goes on from the last
 * chunk and a file is never in memory whole. Where the disk is full the rest stays in memory.
 */
import { createSHA256, type IHasher } from "hash-wasm";
import { promisifyRequest as done } from "idb-keyval";
import { CHUNK_BYTES, ChunkSource, chunksOf, countOf } from "./chunks.ts";
import type { Sink } from "./download.ts";
import { problemOf, type Store } from "./store.ts";

export interface PartialRow {
  readonly name: string;
  readonly bytes: number;
  readonly loaded: number;
  /** hash-wasm's SHA-256 over `loaded` bytes. */
  readonly hash: Uint8Array;
}

interface Identity {
  readonly key: string;
  readonly name: string;
  readonly bytes: number;
}

export class Partial implements Sink {
  readonly key: string;
  readonly name: string;
  readonly bytes: number;
  /** Why the disk takes no more. */
  problem: "quota" | "unavailable" | null = null;
  /** One fills while the other is on its way to the disk; storing copies it, so both are used again and again. */
  #chunk = new Uint8Array(CHUNK_BYTES);
  #other = new Uint8Array(CHUNK_BYTES);
  #filled = 0;
  #flushed = 0;
  readonly #memory = new Map<number, Uint8Array<ArrayBuffer>>();
  #writing: Promise<void> = Promise.resolve();

  private constructor(private readonly store: Store, private readonly hasher: IHasher, { key, name, bytes }: Identity) {
    this.key = key;
    this.name = name;
    this.bytes = bytes;
  }

  static async open(store: Store, identity: Identity): Promise<Partial> {
    const partial = new Partial(store, await createSHA256(), identity);
    await partial.#goOn();
    return partial;
  }

  get loaded(): number {
    return this.#flushed + this.#filled;
  }

  async #goOn(): Promise<void> {
    try {
      const row = await this.store("readonly", async ({ partials, chunks }) => {
        const known = await done(partials.get(this.key) as IDBRequest<PartialRow | undefined>);
        return known && known.bytes === this.bytes && (await done(chunks.count(chunksOf(this.key)))) === countOf(known.loaded) ? known : null;
      });
      if (!row) return await this.reset();
      this.hasher.load(row.hash);
      this.#flushed = row.loaded;
    } catch {
      await this.reset(); // unreadable, or of another version of the hash: from the beginning
    }
  }

  async write(part: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let at = 0; at < part.length; ) {
      const piece = part.subarray(at, at + CHUNK_BYTES - this.#filled);
      this.#chunk.set(piece, this.#filled);
      this.hasher.update(piece);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === CHUNK_BYTES) await this.#flush();
    }
  }

  /** Returns while the chunk is on its way to the disk; the next one waits for it. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#filled === 0) return;
    const index = this.#flushed / CHUNK_BYTES;
    // A view would be stored with the whole buffer behind it.
    const chunk = this.#filled === CHUNK_BYTES ? this.#chunk : this.#chunk.slice(0, this.#filled);
    [this.#chunk, this.#other] = [this.#other, this.#chunk];
    this.#flushed += this.#filled;
    this.#filled = 0;
    if (this.problem) return void this.#memory.set(index, chunk.slice());
    const row: PartialRow = { name: this.name, bytes: this.bytes, loaded: this.#flushed, hash: this.hasher.save() };
    this.#writing = this.store("readwrite", async ({ chunks, partials }) => {
      await Promise.all([done(chunks.put(chunk, [this.key, index])), done(partials.put(row, this.key))]);
    }).catch((error: unknown) => {
      this.problem = problemOf(error);
      this.#memory.set(index, chunk.slice());
    });
  }

  async digest(): Promise<string> {
    await this.#flush();
    await this.#writing;
    return this.hasher.digest();
  }

  /** From the disk and from memory; null: chunks were deleted meanwhile. */
  async whole(): Promise<ChunkSource | null> {
    await this.#writing;
    const kept = await this.store("readonly", ({ chunks }) => done(chunks.count(chunksOf(this.key)))).catch(() => 0);
    return kept + this.#memory.size === countOf(this.bytes) ? new ChunkSource(this.store, this.key, this.name, this.bytes, this.#memory) : null;
  }

  async reset(): Promise<void> {
    await this.#writing;
    this.hasher.init();
    this.#memory.clear();
    this.#filled = this.#flushed = 0;
    try {
      await this.store("readwrite", async ({ partials, chunks }) => {
        await done(partials.delete(this.key));
        await done(chunks.delete(chunksOf(this.key)));
      });
    } catch (error) {
      this.problem = problemOf(error);
    }
  }
}
