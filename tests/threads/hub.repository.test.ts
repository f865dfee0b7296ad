/** Models of the Hub in the hub's thread: the browser's own redirects, locks and storage, and a Hub on another origin that really breaks. */
import * as Comlink from "comlink";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import { cdp } from "vitest/browser";
import type { HubProgress, HubService } from "../../src/threads/hub.ts";
import "../../src/threads/wire.ts";

const { url, viewer } = inject("hub");
const MiB = 1 << 20;
const bigFile = "alice/big/onnx/external.onnx_data";
const workers: Worker[] = [];
const storages = new Set<string>();

/** A tab's hub thread. */
async function tab(storage: string) {
  const worker = new Worker(new URL("../../workers/hub.worker.ts", import.meta.url), { type: "module" });
  workers.push(worker);
  storages.add(storage);
  const service = Comlink.wrap<HubService>(worker);
  await service.open({ assets: new URL("/", location.href).href, storage, mounts: {}, hub: url, viewer });
  return { worker, service };
}

const fault = async (...faults: object[]) => {
  for (const one of faults) await fetch(`${url}/.faults`, { method: "POST", body: JSON.stringify(one) });
};
const log = async () => (await (await fetch(`${url}/.log`)).json()) as { on: string; path: string; range: string | null; authorized: boolean; status: number }[];
const rangesOfLarge = async () => (await log()).filter(({ on }) => on === "cdn").map(({ range }) => range);
const listen = (hear: HubProgress) => Comlink.proxy(hear);

beforeEach(async () => {
  await fetch(`${url}/.faults`, { method: "DELETE" });
});
afterEach(async () => {
  for (const worker of workers.splice(0)) worker.terminate();
  for (const storage of storages) {
    await new Promise<void>((resolve, reject) => Object.assign(indexedDB.deleteDatabase(`${storage}-hub`), { onsuccess: () => resolve(), onerror: () => reject(new Error("not deleted")) }));
  }
  storages.clear();
});

/** The browser looks at a site's quota at most every half minute; so long it believes in the old one. */
const QUOTA_NEWS_MS = 40_000;

// First, when nothing has looked at the quota yet.
test("a full disk: works from memory, and says what to delete", async () => {
  const session = cdp() as unknown as { send(method: string, parameters: object): Promise<unknown> };
  await session.send("Storage.overrideQuotaForOrigin", { origin: location.origin, quotaSize: 1000 });
  try {
    const began = performance.now();
    for (let visit = 1; ; visit++) {
      const { service } = await tab(`hub-full-${visit}`);
      const { warnings, handle } = await service.model("alice/big");
      if (!warnings?.length && performance.now() - began < QUOTA_NEWS_MS) {
        await new Promise((resolve) => setTimeout(resolve, 2000));
        continue;
      }
      expect(warnings?.map(({ code }) => code)).toContain("cache-quota");
      expect(warnings?.map(({ message }) => message).join()).toMatch(/alice\/big\/onnx\/external\.onnx_data could not be kept \(the browser's storage for this site is full\), so it stays in memory/);
      expect((await service.tensor(handle, 0)).length).toBeGreaterThan(0);
      expect((await service.cacheList()).find(({ state }) => state === "memory")?.name).toBeDefined();
      break;
    }
  } finally {
    await session.send("Storage.overrideQuotaForOrigin", { origin: location.origin });
  }
});

test("cut at half it goes on with a range; a second visit asks for nothing", async () => {
  const { service } = await tab("hub-a");
  await fault({ kind: "cut", on: "cdn", path: "/repos/models/alice/big/", at: 10 * MiB, times: 1 });
  // The graph is small enough to have passed before the fault's byte; only the data is cut.
  const model = await service.model("alice/big");
  expect(model.revision).toMatch(/^[0-9a-f]{40}$/);
  expect((await service.tensor(model.handle, 0)).length).toBeGreaterThan(0);
  expect(await rangesOfLarge()).toContainEqual(expect.stringMatching(/^bytes=\d{7,8}-$/));
  const files = await service.cacheList();
  expect(files.find(({ name }) => name === bigFile)).toMatchObject({ bytes: 20 * MiB + 13, state: "kept" });
  await fetch(`${url}/.faults`, { method: "DELETE" });
  const { service: again } = await tab("hub-a");
  const second = await again.model("alice/big");
  expect(second.downloadBytes).toBe(0);
  expect(await again.tensor(second.handle, 0)).toEqual(await service.tensor(model.handle, 0));
  expect((await log()).filter(({ path }) => !path.startsWith("/."))).toEqual([]);
});

test("two tabs at once: one downloads, the other finds it", async () => {
  const [a, b] = [await tab("hub-b"), await tab("hub-b")];
  const [one, two] = await Promise.all([a.service.model("alice/big"), b.service.model("alice/big")]);
  expect((await rangesOfLarge()).length).toBeLessThanOrEqual(3); // the data once; the graph, being small, at most twice
  expect(Math.min(one.downloadBytes, two.downloadBytes)).toBeLessThan(MiB);
  expect(await a.service.tensor(one.handle, 0)).toEqual(await b.service.tensor(two.handle, 0));
  expect((await a.service.cacheList()).map(({ state }) => state)).not.toContain("partial");
});

test("a tab closed in mid-download: the next one goes on from the last piece; meanwhile it cannot be deleted", async () => {
  const first = await tab("hub-c");
  await fault({ kind: "stall", on: "cdn", path: "/repos/models/alice/big/", at: 18 * MiB });
  let reached: () => void = () => undefined;
  const stalled = new Promise<void>((resolve) => (reached = resolve));
  void first.service.model("alice/big", listen(({ file, loaded }) => file === bigFile && loaded >= 17 * MiB && reached())).catch(() => undefined);
  await stalled;
  const other = await tab("hub-c");
  const partial = () => other.service.cacheList().then((files) => files.find(({ state }) => state === "partial"));
  await expect.poll(async () => (await partial())?.bytes ?? 0, { timeout: 10_000 }).toBeGreaterThanOrEqual(16 * MiB);
  expect(await other.service.cacheDelete((await partial())?.id ?? "")).toBe(false);
  const kept = (await partial())?.bytes ?? 0;
  first.worker.terminate();
  const model = await other.service.model("alice/big");
  expect(await rangesOfLarge()).toContainEqual(`bytes=${kept}-`);
  expect((await other.service.tensor(model.handle, 0)).length).toBeGreaterThan(0);
});

test("wrong bytes twice: refused, and nothing of them is kept", async () => {
  const { service } = await tab("hub-d");
  await fault({ kind: "flip", on: "cdn", path: "/repos/models/alice/big/", at: -1, times: 0 });
  await expect(service.model("alice/big")).rejects.toMatchObject({ code: "digest-mismatch" });
  expect((await service.cacheList()).map(({ name }) => name)).toEqual([]);
  await fetch(`${url}/.faults`, { method: "DELETE" });
  await service.model("alice/big");
});

test("the browser drops the token on the way to another origin", async () => {
  const { service } = await tab("hub-e");
  await expect(service.model("alice/closed")).rejects.toMatchObject({ code: "gated", message: expect.stringMatching(/HTTP 401/) as string });
  await service.setToken("hf_secret");
  await service.model("alice/closed");
  const asked = await log();
  expect(asked.filter(({ on, path, status }) => on === "hub" && path.startsWith("/alice/closed/") && status === 302).every(({ authorized }) => authorized)).toBe(true);
  const large = asked.filter(({ on }) => on === "cdn");
  expect(large.length).toBeGreaterThan(0);
  expect(large.every(({ authorized, status }) => !authorized && status === 200)).toBe(true);
});

test("a look from another origin reads headers only", async () => {
  const { service } = await tab("hub-f");
  const told = await service.preflight({ base: "alice/big", experts: ["alice/big@main"] });
  expect(told).toMatchObject({ fits: true, models: [{ format: "onnx" }, { format: "onnx" }] });
  expect(told.downloadBytes).toBeGreaterThan(20 * MiB);
  expect(told.readBytes).toBeLessThan(MiB);
});
