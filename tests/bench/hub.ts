/** The page `npm run bench` downloads with: the hub's own code in a thread, beside a plain fetch in the same thread. */
import * as Comlink from "comlink";
import type { Preflight } from "../../src/threads/hub.ts";
import type { HubBench } from "./hub.worker.ts";

const thread = Comlink.wrap<HubBench>(new Worker(new URL("./hub.worker.ts", import.meta.url), { type: "module" }));

const hubBench = {
  /** Milliseconds of a fetch whose bytes are dropped. */
  plain: (address: string): Promise<number> => thread.plain(address),
  /** Milliseconds until a file is downloaded, verified and committed to the cache. */
  kept: (hub: string, reference: string, path: string, storage: string): Promise<number> => thread.kept(hub, reference, path, storage),
  preflight: (hub: string, base: string, experts: string[], graph: string): Promise<{ ms: number; told: Preflight }> => thread.preflight(hub, base, experts, graph),
  forget: (storage: string): Promise<void> =>
    new Promise((resolve, reject) => Object.assign(indexedDB.deleteDatabase(`${storage}-hub`), { onsuccess: () => resolve(), onerror: () => reject(new Error(`${storage} could not be deleted`)) })),
};

declare global {
  interface Window {
    hubBench: typeof hubBench;
  }
}
window.hubBench = hubBench;
