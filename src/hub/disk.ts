/**
 * Large files as files of the origin's own file system, one a key: written and read in this thread without another process, which costs a
 * quarter of what IndexedDB does, and other threads read them where they lie.
 */
import { blobSource, type ByteSource } from "../checkpoint/safetensors/source.ts";
import type { Room, Whereabouts, Writing } from "./room.ts";

interface AccessHandle {
  /** Absent in browsers that only open for writing. */
  readonly mode?: string;
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  flush(): void;
  close(): void;
}
type Openable = FileSystemFileHandle & { createSyncAccessHandle?(options?: { mode: "read-only" | "readwrite" }): Promise<AccessHandle> };

/** A file that nobody read for so long is closed, so that it can be deleted. */
const IDLE_MS = 2000;

export class DiskRoom implements Room {
  readonly kind = "disk";
  readonly #readers = new Map<string, DiskReader>();

  private constructor(private readonly directory: FileSystemDirectoryHandle, private readonly name: string) {}

  /** null: this browser or thread has no such files. */
  static async open(name: string): Promise<DiskRoom | null> {
    try {
      // Absent without a secure context; only threads have synchronous handles.
      const storage = (globalThis.navigator as Navigator | undefined)?.storage as StorageManager | undefined;
      const able = "FileSystemFileHandle" in globalThis && "createSyncAccessHandle" in FileSystemFileHandle.prototype && typeof document === "undefined";
      if (!able || !storage?.getDirectory) return null;
      return new DiskRoom(await (await storage.getDirectory()).getDirectoryHandle(name, { create: true }), name);
    } catch {
      return null; // refused, as in some private windows
    }
  }

  async begin(key: string): Promise<Writing> {
    await this.#readers.get(key)?.close();
    const file = (await this.directory.getFileHandle(key, { create: true })) as Openable;
    const handle = await file.createSyncAccessHandle?.();
    if (!handle) throw new DOMException("no synchronous handle", "NotSupportedError");
    return {
      held: handle.getSize(),
      put: async (at, bytes) => {
        const written = handle.write(bytes, { at });
        if (written !== bytes.length) throw new DOMException(`${written} of ${bytes.length} bytes`, "QuotaExceededError");
      },
      reset: async () => handle.truncate(0),
      close: async () => handle.close(),
    };
  }

  async open(key: string, name: string, bytes: number): ReturnType<Room["open"]> {
    try {
      const file = (await this.directory.getFileHandle(key)) as Openable;
      const blob = await file.getFile();
      if (blob.size < bytes) return null;
      const known = this.#readers.get(key);
      const reader = known?.size === bytes ? known : new DiskReader(file, blobSource(blob.slice(0, bytes), name));
      this.#readers.set(key, reader);
      return { source: reader, place: async (): Promise<Whereabouts> => ({ blob: await file.getFile(), stored: `${this.name}/${key}` }) };
    } catch {
      return null;
    }
  }

  async delete(key: string): Promise<boolean> {
    await this.#readers.get(key)?.close();
    try {
      await this.directory.removeEntry(key);
    } catch (error) {
      return (error as DOMException).name === "NotFoundError";
    }
    this.#readers.delete(key);
    return true;
  }

  async clear(): Promise<void> {
    for (const key of await this.keys()) await this.delete(key);
  }

  async keys(): Promise<string[]> {
    const found: string[] = [];
    for await (const key of (this.directory as unknown as { keys(): AsyncIterable<string> }).keys()) found.push(key);
    return found;
  }
}

/** Reads by a handle of this thread; by the file itself where a browser gives no handle for reading only. */
class DiskReader implements ByteSource {
  readonly size: number;
  #handle: Promise<AccessHandle | null> | null = null;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly file: Openable, private readonly slow: ByteSource) {
    this.size = slow.size;
  }

  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const handle = await (this.#handle ??= this.#open());
    clearTimeout(this.#idle);
    if (!handle) return this.slow.read(begin, end);
    this.#idle = setTimeout(() => void this.close(), IDLE_MS);
    const bytes = new Uint8Array(end - begin);
    try {
      if (handle.read(bytes, { at: begin }) === bytes.length) return bytes;
    } catch {
      // Closed meanwhile, or taken away: the file itself says what is wrong.
    }
    return this.slow.read(begin, end);
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const handle = this.#handle;
    this.#handle = null;
    (await handle)?.close();
  }

  async #open(): Promise<AccessHandle | null> {
    try {
      const handle = (await this.file.createSyncAccessHandle?.({ mode: "read-only" })) ?? null;
      if (handle?.mode === "read-only" && handle.getSize() >= this.size) return handle;
      handle?.close();
    } catch {
      // Opened for writing elsewhere.
    }
    return null;
  }
}
