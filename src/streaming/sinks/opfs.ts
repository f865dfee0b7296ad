/**
 * The origin's own file system: a thread writes straight to the disk there. Each merge has a folder of its own, held by a lock; folders
 * that nobody holds are left from a closed tab and go.
 */
import { type Sink, type SinkFile, writeFailed } from "./sink.ts";

/** Of a file in the origin's file system; only threads have it, so the page's own types do not know it. */
interface SyncHandle {
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(bytes: number): void;
  close(): void;
}
type Openable = FileSystemFileHandle & { createSyncAccessHandle(): Promise<SyncHandle> };

const ROOT = "murmuration-merges";

export function hasOpfs(): boolean {
  return typeof FileSystemFileHandle !== "undefined" && "createSyncAccessHandle" in FileSystemFileHandle.prototype && typeof navigator.storage?.getDirectory === "function";
}

export async function opfsSink(): Promise<Sink> {
  const root = await (await navigator.storage.getDirectory()).getDirectoryHandle(ROOT, { create: true });
  const name = crypto.randomUUID();
  await hold(name);
  await sweep(root);
  const folder = await root.getDirectoryHandle(name, { create: true });
  const open = new Set<SyncHandle>();
  return {
    handsOver: true,
    async create(path, bytes) {
      try {
        const handle = await ((await folder.getFileHandle(path, { create: true })) as Openable).createSyncAccessHandle();
        open.add(handle);
        handle.truncate(bytes);
        return writing(handle, path, bytes, () => open.delete(handle));
      } catch (error) {
        throw writeFailed(error, path, bytes);
      }
    },
    async file(path) {
      return (await folder.getFileHandle(path)).getFile();
    },
    async abort() {
      for (const handle of open) handle.close();
      open.clear();
      await root.removeEntry(name, { recursive: true });
      letGo.get(name)?.();
      letGo.delete(name);
    },
  };
}

function writing(handle: SyncHandle, path: string, whole: number, closed: () => void): SinkFile {
  return {
    async write(at, bytes) {
      try {
        const written = handle.write(bytes, { at });
        if (written !== bytes.length) throw new DOMException(`${written} of ${bytes.length} bytes`, "QuotaExceededError");
      } catch (error) {
        throw writeFailed(error, path, whole);
      }
    },
    async close() {
      closed();
      handle.close();
    },
  };
}

const letGo = new Map<string, () => void>();
const lockOf = (name: string) => `${ROOT}/${name}`;

/** Held until the folder is removed, or the thread ends. */
async function hold(name: string): Promise<void> {
  const { locks } = navigator as { locks?: LockManager }; // absent without a secure context
  if (!locks) return;
  await new Promise<void>((held) => {
    void locks.request(lockOf(name), () => {
      held();
      return new Promise<void>((release) => letGo.set(name, release));
    });
  });
}

async function sweep(root: FileSystemDirectoryHandle): Promise<void> {
  const { locks } = navigator as { locks?: LockManager };
  if (!locks) return;
  const held = new Set((await locks.query()).held?.map((lock) => lock.name));
  // Listed before any goes: an iteration over a folder that changes may miss some.
  const names: string[] = [];
  for await (const name of (root as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
  for (const name of names) if (!held.has(lockOf(name))) await root.removeEntry(name, { recursive: true }).catch(() => undefined); // another tab was quicker
}
