/**
 * Verified files by what they contain (SHA-256; Git's digest for a repository's small files), as Blobs: typed arrays over 127 MiB fail in
 * IndexedDB. Large ones lie in chunks, written while they download and taken up only when verified. A cache that is full, blocked or
 * deleted is never an error: files then live in memory, and are downloaded again next time.
 */
import { promisifyRequest as done } from "idb-keyval";
import type { CachedFile } from "../threads/hub.ts";
import { alone, taken } from "./locks.ts";
import { chunksOf, Partial, type PartialRow } from "./partial.ts";
import { openStore, type Store } from "./store.ts";

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

/** Rows that are notes (lists, resolved revisions) and no files of a model. */
const isNote = (key: string): boolean => key.includes(":") && !key.startsWith("git:");

export class Cache {
  private readonly store: Store;
  private readonly memory = new Map<string, Row & { blob: Blob }>();

  constructor(private readonly storage: string) {
    this.store = openStore(`${storage}-hub`);
  }

  /** One at a time over all tabs. */
  alone<T>(key: string, work: () => Promise<T>): Promise<T> {
    return alone(`${this.storage}-hub ${key}`, work);
  }

  async find(key: string): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const blob = await this.blob(key);
      return blob && new Uint8Array(await blob.arrayBuffer());
    } catch {
      return null; // evicted or unreadable: as if it had never been there
    }
  }

  /** The file as a Blob, which is read from the disk a range at a time. */
  async blob(key: string): Promise<Blob | null> {
    const held = this.memory.get(key);
    if (held) return held.blob;
    try {
      return await this.store("readonly", async ({ files, chunks }) => {
        const row = await done<Row | undefined>(files.get(key) as IDBRequest<Row | undefined>);
        if (!row) return null;
        const blob = row.blob ?? new Blob(await done<Blob[]>(chunks.getAll(chunksOf(key))));
        return blob.size === row.bytes ? blob : null;
      });
    } catch {
      return null;
    }
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
      this.memory.set(key, row);
      return { problem: problemOf(error) };
    }
  }

  /** A download into chunks, gone on with where an earlier one ended. */
  begin(key: string, name: string, bytes: number): Promise<Partial> {
    return Partial.open(this.store, { key, name, bytes });
  }

  /** A verified download becomes a file. null: its chunks were deleted meanwhile. */
  async commit(partial: Partial): Promise<{ blob: Blob; kept: Kept } | null> {
    const { key, name, bytes } = partial;
    const blob = await partial.whole();
    if (!blob) return null;
    const keepInMemory = (problem: Kept["problem"]) => {
      this.memory.set(key, { name, bytes, blob });
      return { blob, kept: { problem } };
    };
    if (partial.problem) return keepInMemory(partial.problem);
    try {
      await this.store("readwrite", async ({ files, partials }) => {
        await done(files.put({ name, bytes } satisfies Row, key));
        await done(partials.delete(key));
      });
      return { blob, kept: { problem: null } };
    } catch (error) {
      return keepInMemory(problemOf(error));
    }
  }

  /** Newest last is not known: by name. */
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
    if (await taken(`${this.storage}-hub ${key}`)) return false;
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

export function problemOf(error: unknown): "quota" | "unavailable" {
  return (error as Error | null)?.name === "QuotaExceededError" ? "quota" : "unavailable";
}
