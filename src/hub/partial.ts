/**
 * A large file while it downloads: chunks go to the disk as they fill, with the state of the hash, so that a reload goes on from the last
 * chunk and a file is never in memory whole. Where the disk is full the rest stays in memory.
 */
import { createSHA256, type IHasher } from "hash-wasm";
import { promisifyRequest as done } from "idb-keyval";
import type { Sink } from "./download.ts";
import type { Store } from "./store.ts";

/** Two of them may be in memory a file, one filling and one on its way to the disk; three files download at once. */
export const CHUNK_BYTES = 8 << 20;

export interface PartialRow {
  readonly name: string;
  readonly bytes: number;
  readonly chunks: number;
  readonly loaded: number;
  /** hash-wasm's SHA-256 over `loaded` bytes. */
  readonly hash: Uint8Array;
}

/** All chunks of one file, in order. */
export const chunksOf = (key: string): IDBKeyRange => IDBKeyRange.bound([key, 0], [key, Infinity]);

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
  #pending: Uint8Array<ArrayBuffer>[] = [];
  #pendingBytes = 0;
  #chunks = 0;
  #flushed = 0;
  #memory: Blob[] = [];
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
    return this.#flushed + this.#pendingBytes;
  }

  async #goOn(): Promise<void> {
    try {
      const row = await this.store("readonly", async ({ partials, chunks }) => {
        const known = await done(partials.get(this.key) as IDBRequest<PartialRow | undefined>);
        return known && known.bytes === this.bytes && (await done(chunks.count(chunksOf(this.key)))) === known.chunks ? known : null;
      });
      if (!row) return await this.reset();
      this.hasher.load(row.hash);
      this.#chunks = row.chunks;
      this.#flushed = row.loaded;
    } catch {
      await this.reset(); // unreadable, or of another version of the hash: from the beginning
    }
  }

  async write(part: Uint8Array<ArrayBuffer>): Promise<void> {
    this.hasher.update(part);
    this.#pending.push(part);
    this.#pendingBytes += part.length;
    if (this.#pendingBytes >= CHUNK_BYTES) await this.#flush();
  }

  /** Returns while the chunk is being written; the next one waits for it. */
  async #flush(): Promise<void> {
    await this.#writing;
    if (this.#pendingBytes === 0) return;
    const blob = new Blob(this.#pending);
    this.#pending = [];
    this.#flushed += this.#pendingBytes;
    this.#pendingBytes = 0;
    if (this.problem) return void this.#memory.push(blob);
    const place = [this.key, this.#chunks];
    const { name, bytes } = this;
    const row: PartialRow = { name, bytes, chunks: this.#chunks + 1, loaded: this.#flushed, hash: this.hasher.save() };
    this.#writing = this.store("readwrite", async ({ chunks, partials }) => {
      await done(chunks.put(blob, place));
      await done(partials.put(row, this.key));
    }).then(
      () => void this.#chunks++,
      (error: unknown) => {
        this.problem = (error as Error | null)?.name === "QuotaExceededError" ? "quota" : "unavailable";
        this.#memory.push(blob);
      },
    );
  }

  async digest(): Promise<string> {
    await this.#flush();
    await this.#writing;
    // A digest ends the hash; a second look at the same bytes must still be possible.
    const state = this.hasher.save();
    const sha256 = this.hasher.digest();
    this.hasher.load(state);
    return sha256;
  }

  /** From the disk and from memory, in order; null: chunks were deleted meanwhile. */
  async whole(): Promise<Blob | null> {
    await this.#writing;
    let kept: Blob[] = [];
    if (this.#chunks > 0) kept = await this.store("readonly", ({ chunks }) => done(chunks.getAll(chunksOf(this.key)) as IDBRequest<Blob[]>)).catch(() => []);
    const blob = new Blob([...kept, ...this.#memory]);
    return blob.size === this.loaded ? blob : null;
  }

  async reset(): Promise<void> {
    await this.#writing;
    this.hasher.init();
    this.#pending = [];
    this.#memory = [];
    this.#pendingBytes = this.#flushed = this.#chunks = 0;
    try {
      await this.store("readwrite", async ({ partials, chunks }) => {
        await done(partials.delete(this.key));
        await done(chunks.delete(chunksOf(this.key)));
      });
    } catch (error) {
      this.problem = (error as Error | null)?.name === "QuotaExceededError" ? "quota" : "unavailable";
    }
  }
}
