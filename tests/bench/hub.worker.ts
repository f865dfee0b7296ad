/** Downloads as the hub makes them, one file at a time, with a clock. */
import * as Comlink from "comlink";
import { Cache } from "../../src/hub/cache.ts";
import { preflight } from "../../src/hub/preflight/preflight.ts";
import { hubAddress } from "../../src/hub/remote/address.ts";
import { Connection } from "../../src/hub/remote/connection.ts";
import { Remote } from "../../src/hub/remote/remote.ts";
import { Shelf } from "../../src/hub/shelf.ts";
import { openFolder, type Place } from "../../src/hub/sources/source.ts";

function place(hub: string, storage: string): Place {
  const shelf = new Shelf(new Cache(storage));
  return { options: { assets: "/", storage, mounts: {}, hub }, shelf, remote: new Remote(new Connection(hubAddress(hub)), shelf) };
}

const service = {
  async plain(address: string): Promise<number> {
    const began = performance.now();
    const reader = (await fetch(address, { cache: "no-store" })).body?.getReader();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read());
    return performance.now() - began;
  },

  async kept(hub: string, reference: string, path: string, storage: string): Promise<number> {
    const opened = place(hub, storage);
    const folder = await openFolder(reference, opened);
    const began = performance.now();
    await folder.open(path);
    const ms = performance.now() - began;
    const [problem] = opened.shelf.warnings;
    if (problem) throw new Error(problem.message);
    return ms;
  },

  async preflight(hub: string, base: string, experts: string[], graph: string) {
    const opened = place(hub, "bench-preflight");
    const began = performance.now();
    const told = await preflight({ base, experts, graph }, opened);
    return { ms: performance.now() - began, told };
  },
};
export type HubBench = typeof service;

Comlink.expose(service);
