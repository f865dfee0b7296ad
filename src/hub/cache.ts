/**
 * Verified files by their SHA-256, as Blobs (typed arrays over 127 MiB fail in IndexedDB). A cache that is full, blocked
 * or deleted is never an error: files then live in memory, and are downloaded again next time.
 */
import { clear, del, entries, get, set, type UseStore } from "idb-keyval";
import { openStore } from "./store.ts";

interface Row {
  /** For people who look at the list. */
  readonly name: string;
  readonly bytes: number;
  readonly blob: Blob;
}

export interface Kept {
  /** Why a file could not be kept; null when it was. */
  readonly problem: "quota" | "unavailable" | null;
}

export class Cache {
  private readonly store: UseStore;
  private readonly memory = new Map<string, Row>();

  constructor(storage: string) {
    this.store = openStore(`${storage}-hub`);
  }

  async find(key: string): Promise<Uint8Array<ArrayBuffer> | null> {
    try {
      const row = this.memory.get(key) ?? (await get<Row>(key, this.store));
      if (!row) return null;
      const bytes = new Uint8Array(await row.blob.arrayBuffer());
      return bytes.length === row.bytes ? bytes : null;
    } catch {
      return null; // evicted or unreadable: as if it had never been there
    }
  }

  async keep(key: string, name: string, bytes: Uint8Array<ArrayBuffer>): Promise<Kept> {
    const row: Row = { name, bytes: bytes.length, blob: new Blob([bytes]) };
    try {
      await set(key, row, this.store);
      return { problem: null };
    } catch (error) {
      this.memory.set(key, row);
      return { problem: (error as Error | null)?.name === "QuotaExceededError" ? "quota" : "unavailable" };
    }
  }

  async list(): Promise<{ key: string; bytes: number }[]> {
    try {
      const rows = await entries<string, Row>(this.store);
      return rows.map(([key, { name, bytes }]) => ({ key: `${name} ${key}`, bytes }));
    } catch {
      return [];
    }
  }

  /** `key` as `list` gives it; null: everything. */
  async forget(key: string | null): Promise<void> {
    this.memory.clear();
    try {
      if (key === null) await clear(this.store);
      else await del(key.split(" ").at(-1) ?? key, this.store);
    } catch {
      // Nothing is kept where nothing can be opened.
    }
  }
}
