/**
 * Verified files by what they contain (SHA-256; Git's digest for a repository's small files), as Blobs: typed arrays over 127 MiB fail in
 * IndexedDB. Large ones lie in chunks, written while they download and taken up only when verified. A cache that is full, blocked or
 * deleted is never an error: files then live in memory, and are downloaded again next time.
 */
import { promisifyRequest as done } from "idb-keyval";
import type { CachedFile, KeptFile } from "../threads/hub.ts";
import { alone, taken } from "./locks.ts";
import { blobSource, type ByteSource } from "../checkpoint/safetensors/source.ts";
import { ChunkSource, chunksOf, countOf } from "./chunks.ts";
import { Partial, type PartialRow } from "./partial.ts";
import { openStore, problemOf, type Store } from "./store.ts";

interface Row {
  /** For people who look at the list. */
  readonly name: string;
  readonly bytes: number;
  /** Absent where the file lies in chunks. */
  readonly blob?: Blob;
}

export interface Kept {
  /** Why a file could not be kept; null when it was. */
  readonly problem: "quota" | "unavailable" | null;
}

/** A file that is there, read a range at a time; where its bytes lie, for other threads. */
export interface Stored {
  readonly source: ByteSource;
  place(): Promise<{ readonly kept: KeptFile } | { readonly blob: Blob }>;
}

/** Rows that are notes (lists, resolved revisions) and no files of a model. */
const isNote = (key: string): boolean => key.includes(":") && !key.startsWith("git:");

export class Cache {
  private readonly store: Store;
  private readonly memory = new Map<string, Row & { stored: Stored }>();
  private readonly database: string;

  constructor(storage: string) {
    this.database = `${storage}-hub`;
    this.store = openStore(this.database);
  }

  /** One at a time over all tabs. */
  alone<T>(key: string, work: () => Promise<T>): Promise<T> {
    return alone(`${this.database} ${key}`, work);
  }

  /** Whole, in memory. */
  async find(key: string): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const source = (await this.open(key))?.source;
      return source ? await source.read(0, source.size) : null;
    } catch {
      return null; // evicted or unreadable: as if it had never been there
    }
  }

  async open(key: string): Promise<Stored | null> {
    const held = this.memory.get(key);
    if (held) return held.stored;
    try {
      return await this.store("readonly", async ({ files, chunks }) => {
        const row = await done<Row | undefined>(files.get(key) as IDBRequest<Row | undefined>);
        if (!row) return null;
        if (row.blob) return row.blob.size === row.bytes ? ofBlob(row.blob, row.name) : null;
        return (await done(chunks.count(chunksOf(key)))) === countOf(row.bytes) ? this.ofChunks(new ChunkSource(this.store, key, row.name, row.bytes), key) : null;
      });
    } catch {
      return null;
    }
  }

  private ofChunks(source: ChunkSource, key: string): Stored {
    return { source, place: async () => (source.isKept ? { kept: { database: this.database, key } } : { blob: await source.blob() }) };
  }

  /** Which of these are there. */
  async has(keys: readonly string[]): Promise<Set<string>> {
    const there = new Set(keys.filter((key) => this.memory.has(key)));
    try {
      await this.store("readonly", async ({ files }) => {
        for (const key of keys) if ((await done(files.count(key))) > 0) there.add(key);
      });
    } catch {
      // What cannot be opened holds nothing.
    }
    return there;
  }

  async keep(key: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Kept> {
    const row = { name, bytes: bytes.length, blob: new Blob([bytes]) };
    try {
      await this.store("readwrite", ({ files }) => done(files.put(row, key)));
      return { problem: null };
    } catch (error) {
      this.memory.set(key, { ...row, stored: ofBlob(row.blob, name) });
      return { problem: problemOf(error) };
    }
  }

  /** A download into chunks, gone on with where an earlier one ended. */
  begin(key: string, name: string, bytes: number): Promise<Partial> {
    return Partial.open(this.store, { key, name, bytes });
  }

  /** A verified download becomes a file. null: its chunks were deleted meanwhile. */
  async commit(partial: Partial): Promise<{ stored: Stored; kept: Kept } | null> {
    const { key, name, bytes } = partial;
    const source = await partial.whole();
    if (!source) return null;
    const stored = this.ofChunks(source, key);
    const keepInMemory = (problem: Kept["problem"]) => {
      this.memory.set(key, { name, bytes, stored });
      return { stored, kept: { problem } };
    };
    if (partial.problem) return keepInMemory(partial.problem);
    try {
      await this.store("readwrite", async ({ files, partials }) => {
        await done(files.put({ name, bytes } satisfies Row, key));
        await done(partials.delete(key));
      });
      return { stored, kept: { problem: null } };
    } catch (error) {
      return keepInMemory(problemOf(error));
    }
  }

  /** By name. */
  async files(): Promise<CachedFile[]> {
    const held = [...this.memory].map(([id, { name, bytes }]) => ({ id, name, bytes, state: "memory" as const }));
    let kept: CachedFile[] = [];
    try {
      kept = await this.store("readonly", async ({ files, partials }) => {
        const list: CachedFile[] = [];
        const all = async <T>(from: IDBObjectStore) => [(await done(from.getAllKeys())) as string[], (await done(from.getAll())) as T[]] as const;
        const [keys, rows] = await all<Row>(files);
        rows.forEach(({ name, bytes }, i) => list.push({ id: keys[i] ?? "", name, bytes, state: "kept" }));
        const [ids, parts] = await all<PartialRow>(partials);
        parts.forEach(({ name, loaded }, i) => list.push({ id: ids[i] ?? "", name, bytes: loaded, state: "partial" }));
        return list;
      });
    } catch {
      // Nothing is kept where nothing can be opened.
    }
    return [...kept, ...held].filter(({ id }) => !isNote(id)).sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  /** Everything, notes included. */
  async list(): Promise<{ key: string; bytes: number }[]> {
    try {
      return await this.store("readonly", async ({ files }) => {
        const keys = (await done(files.getAllKeys())) as string[];
        const rows = (await done(files.getAll())) as Row[];
        return rows.map(({ name, bytes }, i) => ({ key: `${name} ${keys[i]}`, bytes }));
      });
    } catch {
      return [];
    }
  }

  /** A file with its chunks. What is being downloaded in another tab stays. The notes of what a revision stood for go with it: it is asked for anew. */
  async delete(key: string): Promise<boolean> {
    this.memory.delete(key);
    if (await taken(`${this.database} ${key}`)) return false;
    try {
      await this.store("readwrite", async ({ files, chunks, partials }) => {
        for (const one of (await done(files.getAllKeys())) as string[]) if (one.startsWith("revision:")) await done(files.delete(one));
        await done(files.delete(key));
        await done(partials.delete(key));
        await done(chunks.delete(chunksOf(key)));
      });
    } catch {
      // Nothing is kept where nothing can be opened.
    }
    return true;
  }

  /** `key` as `list` gives it; null: everything. */
  async forget(key: string | null): Promise<void> {
    if (key !== null) return void (await this.delete(key.split(" ").at(-1) ?? key));
    this.memory.clear();
    try {
      await this.store("readwrite", async ({ files, chunks, partials }) => {
        for (const store of [files, chunks, partials]) await done(store.clear());
      });
    } catch {
      // Nothing is kept where nothing can be opened.
    }
  }
}

const ofBlob = (blob: Blob, name: string): Stored => ({ source: blobSource(blob, name), place: async () => ({ blob }) });
