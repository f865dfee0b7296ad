/**
 * What a thread that runs other people's code must not have. The network is cut by the policy that this worker's own script is served
 * with (connect-src 'none'); that it is in force is looked at first, and what could reach out is taken away besides.
 */
import { LabError } from "../../lib/error.ts";

const TAKEN = [
  "fetch", "XMLHttpRequest", "WebSocket", "WebSocketStream", "EventSource", "WebTransport", "Request", "RTCPeerConnection", "importScripts",
  "Worker", "SharedWorker", "BroadcastChannel", "MessageChannel", "indexedDB", "IDBFactory", "IDBDatabase", "caches", "CacheStorage", "navigator", "WorkerNavigator",
  "cookieStore", "Notification", "FileSystemDirectoryHandle", "FileSystemFileHandle", "StorageManager", "webkitRequestFileSystem", "webkitRequestFileSystemSync",
  "GPU", "showOpenFilePicker", "queueMicrotask", "reportError", "createImageBitmap", "OffscreenCanvas", "FontFace",
] as const;

/** A policy without 'unsafe-eval' stops this; nothing else does. */
export function expectPolicy(): void {
  try {
    new Function("");
  } catch {
    return;
  }
  throw new LabError(
    "run-failed",
    "Generated code is not run: this site's server does not send the policy that cuts its thread off from the network. Serve the file code.worker-….js with the header Content-Security-Policy: default-src 'none'; script-src 'self' 'wasm-unsafe-eval' (docs/tasks.md), or reload the page once, so that its service worker does.",
  );
}

export function takeAway(): void {
  const chain: object[] = [];
  for (let at: object | null = globalThis; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null) chain.push(at);
  for (const name of TAKEN) {
    for (const place of chain) if (Object.hasOwn(place, name)) Reflect.deleteProperty(place, name);
    // What cannot be deleted, or might come back from a prototype, is covered for good.
    Reflect.defineProperty(globalThis, name, { value: undefined, writable: false, configurable: false });
  }
}

/** WebAssembly has no limit of its own but the module's (4 GiB): growth past `most` fails, which Python takes for MemoryError. */
export function capMemory(most: number): void {
  const grow = WebAssembly.Memory.prototype.grow;
  WebAssembly.Memory.prototype.grow = function (this: WebAssembly.Memory, pages: number): number {
    if (this.buffer.byteLength + pages * 65_536 > most) throw new RangeError("out of memory");
    return grow.call(this, pages);
  };
}
