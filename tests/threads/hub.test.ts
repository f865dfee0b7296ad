/** The hub as the lab uses it: in a worker, over comlink, with the browser's own IndexedDB and streams. */
import * as Comlink from "comlink";
import { afterEach, expect, test } from "vitest";
import { LabError } from "../../src/lib/error.ts";
import type { HubProgress, HubService } from "../../src/threads/hub.ts";
import "../../src/threads/wire.ts";
import type { HubOnSite } from "./hub.site.worker.ts";

const assets = "https://site.test/deep/";
const weights = "zoo/tiny/base/onnx/model.onnx";
const workers: Worker[] = [];
const storages = new Set<string>();

async function hub(storage: string) {
  const worker = new Worker(new URL("./hub.site.worker.ts", import.meta.url), { type: "module" });
  workers.push(worker);
  storages.add(storage);
  const service = Comlink.wrap<HubOnSite>(worker);
  await service.build();
  await service.open({ assets, storage, mounts: {} });
  return service;
}

const deleteDatabase = (name: string) =>
  new Promise<void>((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name);
    request.onsuccess = () => resolve();
    request.onerror = () => reject(request.error as DOMException);
  });

afterEach(async () => {
  for (const worker of workers.splice(0)) worker.terminate();
  for (const storage of storages) await deleteDatabase(`${storage}-hub`);
  storages.clear();
});

test("a model and its weights come over, with progress", async () => {
  const service = await hub("threads-a");
  const seen: string[] = [];
  const model = await service.model("zoo/tiny/base", Comlink.proxy((event: Parameters<HubProgress>[0]) => void seen.push(event.state)));
  expect(model.skeleton.weights).toHaveLength(8);
  const tensor = await service.tensor(model.handle, 0);
  expect(tensor).toBeInstanceOf(Float32Array);
  expect(tensor).toHaveLength(model.skeleton.weights[0]?.length ?? 0);
  expect(await service.tensor(model.handle, 0)).toEqual(tensor); // what was transferred was a copy
  expect(new Set(seen)).toEqual(new Set(["download", "verify", "cache"]));
  const samples = await service.samples("zoo/tiny/yes");
  expect(samples.kind === "pictures" && samples.splits.optimise.pixels).toHaveLength(18);
});

test("another thread gets a door of its own, and errors keep their code through it", async () => {
  const service = await hub("threads-b");
  const { port1, port2 } = new MessageChannel();
  await service.connect(Comlink.transfer(port1, [port1]));
  const door = Comlink.wrap<HubService>(port2);
  expect((await door.model("zoo/tiny/base")).title).toBe("Base");
  const error: unknown = await door.model("owner/name").catch((e: unknown) => e);
  expect(error).toBeInstanceOf(LabError);
  expect(error).toMatchObject({ code: "not-found" });
  port2.close();
});

test("wrong bytes: refetched once, then refused, nothing poisoned is kept", async () => {
  const service = await hub("threads-c");
  await service.fault(weights, "flip");
  await expect(service.model("zoo/tiny/base")).rejects.toMatchObject({ code: "digest-mismatch" });
  expect((await service.asked()).filter(({ path }) => path === weights)).toHaveLength(2);
  expect((await service.cached()).files.filter(({ key }) => key.startsWith(weights))).toEqual([]);
  await service.fault(weights, "none");
  await service.model("zoo/tiny/base");
});

test("a cut download goes on where it was cut", async () => {
  const service = await hub("threads-d");
  await service.fault(weights, "cut");
  await service.model("zoo/tiny/base");
  const ranges = (await service.asked()).filter(({ path }) => path === weights).map(({ range }) => range);
  expect(ranges).toEqual([null, expect.stringMatching(/^bytes=\d+-$/)]);
});

test("offline from the cache, in a worker that was never online", async () => {
  const first = await hub("threads-e");
  await first.families();
  await first.model("zoo/tiny/base");
  const second = await hub("threads-e");
  await second.fault("*", "offline");
  expect(await second.families()).toHaveLength(1);
  const model = await second.model("zoo/tiny/base");
  expect(model.downloadBytes).toBe(0);
  const { files, quota } = await second.cached();
  expect(files.length).toBeGreaterThan(0);
  expect(quota).toBeGreaterThan(0);
});

test("the database deleted in mid-run: the next load downloads again", async () => {
  const service = await hub("threads-f");
  const { handle } = await service.model("zoo/tiny/base");
  await deleteDatabase("threads-f-hub");
  expect(await service.tensor(handle, 0)).toBeInstanceOf(Float32Array);
  expect((await service.model("zoo/tiny/base")).downloadBytes).toBeGreaterThan(0);
  expect((await service.cached()).files.length).toBeGreaterThan(0);
});
