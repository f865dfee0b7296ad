/**
 * Verified files by what they contain (SHA-256; Git's digest for a repository's small files). Small ones lie in IndexedDB as Blobs; of large
 * ones it holds what they are, their bytes lie in a room (room.ts), written while they download and taken up only when verified. A cache
 * that is full, blocked or deleted is never an error: files then live in memory, and are downloaded again next time.
 */
import { promisifyRequest as done } from "idb-keyval";
import type { CachedFile } from "../threads/hub.ts";
import { alone, taken } from "./locks.ts";
import { blobSource, type ByteSource } from "../checkpoint/safetensors/source.ts";
import { Partial, type PartialRow } from "./partial.ts";
import type { Room, Whereabouts } from "./room.ts";
import { Rooms } from "./rooms.ts";
import { openStore, problemOf, type Store } from "./store.ts";

interface Row {
  /** For people who look at the list. */
  readonly name: string;
  readonly bytes: number;
  /** Absent where the file lies in a room. */
  readonly blob?: Blob;
  readonly where?: Room["kind"];
}

export interface Kept {
  /** Why a file could not be kept; null when it was. */
  readonly problem: "quota" | "unavailable" | null;
}

/** A file that is there, read a range at a time; where its bytes lie, for other threads. */
export interface Stored {
  readonly source: ByteSource;
  place(): Promise<Whereabouts>;
}

/** Rows that are notes (lists, resolved revisions) and no files of a model. */
const isNote = (key: string): boolean => key.includes(":") && !key.startsWith("git:");

export class Cache {
  private readonly store: Store;
  private readonly memory = new Map<string, Row & { stored: Stored }>();
  private readonly database: string;
  private readonly rooms: Rooms;
  private swept: Promise<void> | null = null;

  constructor(storage: string) {
    this.database = `${storage}-hub`;
    this.store = openStore(this.database);
    this.rooms = new Rooms(this.database, this.store);
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
      const row = await this.store("readonly", ({ files }) => done<Row | undefined>(files.get(key) as IDBRequest<Row | undefined>));
      if (!row) return null;
      if (row.blob) return row.blob.size === row.bytes ? ofBlob(row.blob, row.name) : null;
      return (await (await this.rooms.of(row.where))?.open(key, row.name, row.bytes)) ?? null;
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
      this.memory.set(key, { ...row, stored: ofBlob(row.blob, name) });
      return { problem: problemOf(error) };
    }
  }

  /** A download, gone on with where an earlier one ended. */
  async begin(key: string, name: string, bytes: number): Promise<Partial> {
    await (this.swept ??= this.sweep());
    return Partial.open(this.store, await this.rooms.best(), { key, name, bytes });
  }

  /** A verified download becomes a file. null: its bytes were deleted meanwhile. */
  async commit(partial: Partial): Promise<{ stored: Stored; kept: Kept } | null> {
    const { key, name, bytes } = partial;
    await partial.close();
    const stored = await partial.whole();
    if (!stored) return null;
    const keepInMemory = (problem: Kept["problem"]) => {
      this.memory.set(key, { name, bytes, stored });
      return { stored, kept: { problem } };
    };
    if (partial.problem) return keepInMemory(partial.problem);
    try {
      await this.store("readwrite", async ({ files, partials }) => {
        await done(files.put({ name, bytes, where: partial.room.kind } satisfies Row, key));
        await done(partials.delete(key));
      });
      return { stored, kept: { problem: null } };
    } catch (error) {
      return keepInMemory(problemOf(error));
    }
  }

  /** What lies in a room and nobody knows of: IndexedDB was cleared, or a tab ended before it could note anything. */
  private async sweep(): Promise<void> {
    try {
      for (const room of await this.rooms.all()) {
        const known = new Set<unknown>();
        await this.store("readonly", async ({ files, partials }) => {
          for (const rows of [files, partials]) {
            const [keys, all] = [await done(rows.getAllKeys()), (await done(rows.getAll())) as (Row | PartialRow)[]];
            all.forEach(({ where = "chunks" }, i) => where === room.kind && known.add(keys[i]));
          }
        });
        for (const key of await room.keys()) if (!known.has(key) && !(await taken(`${this.database} ${key}`))) await room.delete(key);
      }
    } catch {
      // Nothing is kept where nothing can be opened.
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
      for (const room of await this.rooms.all()) if (!(await room.delete(key))) return false;
      await this.store("readwrite", async ({ files, partials }) => {
        for (const one of (await done(files.getAllKeys())) as string[]) if (one.startsWith("revision:")) await done(files.delete(one));
        await done(files.delete(key));
        await done(partials.delete(key));
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
      await this.store("readwrite", async ({ files, partials }) => {
        for (const store of [files, partials]) await done(store.clear());
      });
      for (const room of await this.rooms.all()) await room.clear();
    } catch {
      // Nothing is kept where nothing can be opened.
    }
  }
}

const ofBlob = (blob: Blob, name: string): Stored => ({ source: blobSource(blob, name), place: async () => ({ blob }) });
