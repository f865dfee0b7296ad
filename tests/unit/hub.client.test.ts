/** Models by id from a Hub that is really there (on this machine), with real faults. */
import "fake-indexeddb/auto";
import { createHash } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Cache } from "../../src/hub/cache.ts";
import { Hub } from "../../src/hub/hub.ts";
import { hubAddress } from "../../src/hub/remote/address.ts";
import { Connection } from "../../src/hub/remote/connection.ts";
import { Remote } from "../../src/hub/remote/remote.ts";
import { Shelf } from "../../src/hub/shelf.ts";
import { openFolder } from "../../src/hub/sources/source.ts";
import type { HubOptions } from "../../src/threads/hub.ts";
import { bytesOf, read } from "../fixtures/onnx/load.ts";
import { type LocalHub, openLocalHub } from "../fixtures/hub/local.ts";

// Files of 20 MiB through a stand-in for IndexedDB: a busy machine takes seconds for each.
vi.setConfig({ testTimeout: 60_000 });

let local: LocalHub;
let visits = 0;
const MiB = 1 << 20;
/** Two whole chunks of 8 MiB and a rest, different everywhere. */
const big = Uint8Array.from({ length: 20 * MiB + 13 }, (_, i) => (i * 31 + (i >> 8) * 17 + (i >> 16)) & 255);
const bigFile = "alice/big/onnx/model.onnx_data";

beforeAll(async () => {
  local = await openLocalHub({ tokens: { hf_secret: "me", hf_other: "other" } });
  local.put("alice/tiny", "onnx/model.onnx", bytesOf("base.onnx"));
  local.put("alice/tiny", "config.json", { model_type: "mlp", id2label: { 0: "no", 1: "yes" } });
  local.put("alice/tiny", "README.md", "---\nlicense: mit\n---\n");
  local.put("alice/tiny@v2", "onnx/model.onnx", bytesOf("base.onnx"));
  local.put("alice/tiny@v2", "config.json", { model_type: "mlp", version: 2 });
  local.put("alice/apart", "onnx/model.onnx", bytesOf("external.onnx"));
  local.put("alice/apart", "onnx/external.onnx_data", bytesOf("external.onnx_data"));
  local.put("alice/big", "onnx/model.onnx_data", big);
  local.put("alice/closed", "onnx/model.onnx", bytesOf("base.onnx"));
  local.put("alice/closed", "config.json", {});
  local.put("alice/closed", ".hub.json", { gated: "manual", allowed: ["hf_secret"] });
  local.put("alice/hidden", "onnx/model.onnx", bytesOf("base.onnx"));
  local.put("alice/hidden", ".hub.json", { private: true, allowed: ["hf_secret"] });
  local.put("alice/pickle", "pytorch_model.bin", "PK");
  local.put("alice/coarse", "onnx/model_q4.onnx", "x");
  local.put("alice/coarse", "onnx/model_int8.onnx", "x");
  local.put("alice/empty", "README.md", "# Nothing");
  local.put("alice/split", "onnx/encoder_model.onnx", "x");
  local.put("alice/split", "onnx/decoder_model.onnx", "x");
  local.put("alice/split", "onnx/decoder_with_past_model.onnx", "x");
});
afterAll(() => local.close());
beforeEach(() => {
  local.faults.clear();
  local.log.length = 0;
});

async function hub(options: Partial<HubOptions> = {}): Promise<Hub> {
  const opened = new Hub();
  await opened.open({ assets: "https://site.test/", storage: `client-${++visits}`, mounts: {}, hub: local.url, viewer: local.viewer, ...options });
  return opened;
}

/** What the hub builds inside, with a storage that outlives it. */
function place(storage: string) {
  const options: HubOptions = { assets: "https://site.test/", storage, mounts: {}, hub: local.url, viewer: local.viewer };
  const shelf = new Shelf(new Cache(storage));
  return { options, shelf, remote: new Remote(new Connection(hubAddress(options.hub, options.viewer)), shelf) };
}

const fetchBig = async (storage: string, onProgress?: Parameters<Hub["model"]>[1]) => (await openFolder("alice/big", place(storage))).open("onnx/model.onnx_data", onProgress);
const wholeOf = async ({ source }: Awaited<ReturnType<typeof fetchBig>>) => createHash("sha256").update(await source.read(0, source.size)).digest("hex");
const bigDigest = createHash("sha256").update(big).digest("hex");
/** Ranges that were asked for where large files lie. */
const ranges = () => local.log.filter(({ on }) => on === "cdn").map(({ range }) => range);

describe("a model by its id", () => {
  test("comes with its commit, and a second visit asks for nothing", async () => {
    const storage = "twice-hub";
    const first = await hub({ storage });
    const model = await first.model("alice/tiny");
    expect(model).toMatchObject({ ref: "alice/tiny", family: null, title: "tiny", config: { modelType: "mlp", labels: ["no", "yes"] } });
    expect(model.revision).toMatch(/^[0-9a-f]{40}$/);
    expect(model.downloadBytes).toBe(bytesOf("base.onnx").length + JSON.stringify({ model_type: "mlp", id2label: { 0: "no", 1: "yes" } }).length);
    expect(await first.tensor(model.handle, 2)).toEqual(read("base").tensor(2));
    local.log.length = 0;
    const again = await (await hub({ storage })).model("alice/tiny");
    expect([again.revision, again.downloadBytes]).toEqual([model.revision, 0]);
    expect(local.asked()).toEqual([]);
  });

  test("two revisions share what is the same in both", async () => {
    const opened = await hub();
    await opened.model("alice/tiny");
    local.log.length = 0;
    const second = await opened.model("alice/tiny@v2");
    expect(second.config?.raw["version"]).toBe(2);
    expect(local.asked().filter((line) => /resolve|cdn/.test(line))).toEqual([expect.stringMatching(/resolve\/[0-9a-f]{40}\/config\.json$/)]);
  });

  test("deleted from the cache: the branch is looked at anew", async () => {
    const opened = await hub();
    await opened.model("alice/tiny");
    const files = await opened.cacheList();
    expect(files.map(({ name, state }) => [name, state])).toEqual([["alice/tiny/config.json", "kept"], ["alice/tiny/onnx/model.onnx", "kept"]]);
    expect(await opened.cacheDelete(files[1]?.id ?? "")).toBe(true);
    expect(await opened.cacheList()).toHaveLength(1);
    local.log.length = 0;
    await opened.model("alice/tiny");
    expect(local.asked().some((line) => line.includes("/revision/main"))).toBe(true);
    await opened.cacheClear();
    expect(await opened.cacheList()).toEqual([]);
  });

  test("external data lies beside the graph", async () => {
    const opened = await hub();
    const { handle } = await opened.model("alice/apart");
    expect(await opened.tensor(handle, 0)).toEqual(read("external").tensor(0));
  });

  test.for([
    ["alice/pickle", /pytorch_model\.bin is a Python pickle.*Take a repository with model\.safetensors/],
    ["alice/coarse", /model_int8\.onnx is quantised \(int8\).*whole numbers.*Take.*model\.onnx/],
    ["alice/empty", /neither onnx\/model\.onnx nor model\.safetensors/],
    ["alice/split", /decoder lies in two files.*decoder_model_merged/],
  ] as const)("%s holds nothing to take, and says why", async ([reference, message]) => {
    await expect((await hub()).model(reference)).rejects.toMatchObject({ code: "not-found", message: expect.stringMatching(message) as string });
    expect(ranges()).toEqual([]);
  });

  test.for(["alice/../secret", "a/b/c", "alice/ti ny", " alice/tiny", "alice/<img src=x onerror=alert(1)>", "alice/tiny@../../x", "alice/tiny?x=1", "a".repeat(600)])("%s is refused before anything is asked", async (reference) => {
    const error = await (await hub()).model(reference).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: "unknown-model", message: expect.stringMatching(/no reference to a model/) as string });
    expect((error as Error).message.length).toBeLessThan(500);
    expect(local.asked()).toEqual([]);
  });

  test.for([
    ["alice/nothing", "gated", /not there, or private \(HTTP 401\)/],
    ["alice/tiny@v9", "not-found", /no such branch, tag or commit/],
    ["alice/hidden", "gated", /not there, or private/],
    ["alice/closed", "gated", /is gated \(HTTP 401\).*Accept the terms on http.*then enter your token/],
  ] as const)("%s: what is wrong and what to do", async ([reference, code, message]) => {
    await expect((await hub()).model(reference)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  });

  test("rate limits are waited for; a wait nobody would sit through is told", async () => {
    local.faults.add({ kind: "status", status: 429, retryAfter: 1, path: "/revision/main" });
    const began = performance.now();
    await (await hub()).model("alice/tiny");
    expect(performance.now() - began).toBeGreaterThan(990);
    local.faults.add({ kind: "status", status: 429, retryAfter: 3600, path: "/resolve/" });
    await expect((await hub()).model("alice/tiny")).rejects.toMatchObject({ code: "rate-limited", message: expect.stringMatching(/Wait 3600 s, as it asks for/) as string });
  });

  test("offline, a server that is ill, a login page instead of the Hub", async () => {
    await expect((await hub({ hub: "http://localhost:9" })).model("alice/tiny")).rejects.toMatchObject({ code: "offline", message: expect.stringMatching(/alice\/tiny could not be downloaded.*3 times/) as string });
    local.faults.add({ kind: "status", status: 503, path: "/tree/", times: 2 });
    await (await hub()).model("alice/tiny");
    local.faults.add({ kind: "web-page", path: "/tree/" });
    await expect((await hub()).model("alice/tiny")).rejects.toMatchObject({ message: expect.stringMatching(/web page/) as string });
  });

  test.for(["huggingface.co", "ftp://x.test", "https://me:secret@x.test", "https://x.test/?a=b"])("the setting hub cannot be %s", async (address) => {
    const error = await hub({ hub: address }).catch((thrown: unknown) => thrown as Error);
    expect(error).toMatchObject({ code: "bad-arguments" });
    expect((error as Error).message).not.toMatch(/secret/);
  });
});

describe("the token", () => {
  test("opens what is gated or private; the wrong one is told from none", async () => {
    const opened = await hub();
    await opened.setToken("hf_other");
    await expect(opened.model("alice/closed")).rejects.toMatchObject({ code: "gated", message: expect.stringMatching(/this token's account may not read it \(HTTP 403\).*Ask for access/) as string });
    await opened.setToken("hf_nobody");
    await expect(opened.model("alice/tiny")).rejects.toMatchObject({ code: "gated", message: expect.stringMatching(/does not accept the token \(HTTP 401\)/) as string });
    await opened.setToken(" hf_secret\n");
    expect((await opened.model("alice/closed")).revision).toMatch(/^[0-9a-f]{40}$/);
    await opened.model("alice/hidden");
    await expect(opened.setToken("hf_sécret")).rejects.toMatchObject({ code: "bad-arguments" });
  });

  test("goes to the Hub and its viewer, not where large files lie, not anywhere else", async () => {
    const opened = await hub();
    await opened.setToken("hf_secret");
    await opened.model("alice/tiny");
    const seen = (on: string) => new Set(local.log.filter((row) => row.on === on).map(({ authorized }) => authorized));
    expect(seen("hub")).toEqual(new Set([true]));
    expect(seen("cdn")).toEqual(new Set([false]));
    const connection = new Connection(hubAddress(local.url, local.viewer));
    connection.setToken("hf_secret");
    await connection.fetch(`${local.viewer}/splits?dataset=a/b`);
    await connection.fetch(`${local.cdn}/anything`, { headers: { Authorization: "Bearer hf_secret" } });
    expect(local.log.slice(-2).map(({ on, authorized }) => [on, authorized])).toEqual([["viewer", true], ["cdn", false]]);
  });

  test("stands in no error, no key, no note", async () => {
    const storage = "no-trace";
    const opened = await hub({ storage });
    await opened.setToken("hf_secret");
    await opened.model("alice/closed");
    const errors: unknown[] = [];
    for (const status of [401, 403, 404, 429, 500]) {
      local.faults.add({ kind: "status", status, path: "/resolve/", times: 3, retryAfter: 0 });
      errors.push(await opened.model("alice/hidden").catch((error: unknown) => error));
      local.faults.clear();
    }
    const texts = errors.map((error) => JSON.stringify([(error as Error).message, (error as Error).stack, (error as { details?: unknown }).details, String((error as Error).cause)]));
    expect(texts).toHaveLength(5);
    expect(texts.join()).not.toMatch(/secret/);
    const stored = await new Promise<string>((resolve) => {
      const request = indexedDB.open(`${storage}-hub`);
      request.onsuccess = () => {
        const files = request.result.transaction("files").objectStore("files");
        const [keys, rows] = [files.getAllKeys(), files.getAll()];
        rows.onsuccess = () => void Promise.all((rows.result as { name: string; blob: Blob }[]).map(async ({ name, blob }) => name + (await blob.text()))).then((list) => resolve(JSON.stringify([keys.result, list])));
      };
    });
    expect(stored).toMatch(/alice\/closed/);
    expect(stored).not.toMatch(/hf_secret/);
  });
});

describe("a large file", () => {
  test("comes in chunks, verified, and is read a range at a time", async () => {
    const states: string[] = [];
    const file = await fetchBig("big-plain", ({ state, loaded, total }) => states.push(`${state} ${total} ${loaded <= total}`));
    expect(await wholeOf(file)).toBe(bigDigest);
    expect([file.sha256, file.downloaded]).toEqual([bigDigest, big.length]);
    expect(await file.source.read(8 * MiB - 2, 8 * MiB + 2)).toEqual(big.slice(8 * MiB - 2, 8 * MiB + 2));
    expect(new Set(states)).toEqual(new Set(["download", "verify", "cache"].map((state) => `${state} ${big.length} true`)));
    expect((await fetchBig("big-plain")).downloaded).toBe(0);
  });

  test("cut at half: goes on from there", async () => {
    local.faults.add({ kind: "cut", path: "/repos/", at: 10 * MiB });
    const file = await fetchBig("big-cut");
    expect(await wholeOf(file)).toBe(bigDigest);
    expect(ranges()).toEqual([null, `bytes=${10 * MiB}-`]);
  });

  test("given up and opened again: goes on from the last chunk, in another visit", async () => {
    // One try that gets on, then two that do not.
    local.faults.add({ kind: "cut", path: "/repos/", at: 18 * MiB });
    local.faults.add({ kind: "status", status: 503, path: "/repos/", times: 2 });
    await expect(fetchBig("big-reload")).rejects.toMatchObject({ code: "offline" });
    const [partial] = await new Cache("big-reload").files();
    expect(partial).toMatchObject({ name: bigFile, state: "partial" });
    expect(partial?.bytes).toBeGreaterThanOrEqual(16 * MiB);
    local.log.length = 0;
    const file = await fetchBig("big-reload");
    expect(await wholeOf(file)).toBe(bigDigest);
    expect(file.downloaded).toBe(big.length - (partial?.bytes ?? 0));
    expect(ranges()).toEqual([`bytes=${partial?.bytes}-`]);
    expect(await new Cache("big-reload").files()).toMatchObject([{ name: bigFile, bytes: big.length, state: "kept" }]);
  });

  test("a network that always breaks but gets on is not given up", async () => {
    for (const at of [4, 8, 12, 16, 19]) local.faults.add({ kind: "cut", path: "/repos/", at: at * MiB });
    expect(await wholeOf(await fetchBig("big-breaks"))).toBe(bigDigest);
    expect(ranges()).toHaveLength(6);
  });

  test("a server that forgets ranges: from the beginning, and still right", async () => {
    local.faults.add({ kind: "cut", path: "/repos/", at: 10 * MiB });
    local.faults.add({ kind: "whole", path: "/repos/" });
    const file = await fetchBig("big-whole");
    expect(await wholeOf(file)).toBe(bigDigest);
  });

  test("a wrong byte: fetched once more, and then right", async () => {
    local.faults.add({ kind: "flip", path: "/repos/", at: 9 * MiB });
    expect(await wholeOf(await fetchBig("big-flip-once"))).toBe(bigDigest);
    expect(ranges()).toEqual([null, null]);
  });

  test.for([
    [{ kind: "flip", at: -1 }, "digest-mismatch", /SHA-256/],
    [{ kind: "short", at: 5 * MiB }, "length-mismatch", /should have 20971533 bytes but came with 5242880/],
    [{ kind: "web-page" }, "length-mismatch", /should have 20971533 bytes/],
  ] as const)("%o twice: refused, and nothing of it is kept", async ([fault, code, message]) => {
    const storage = `big-${fault.kind}`;
    local.faults.add({ ...fault, path: "/repos/", times: 0 });
    await expect(fetchBig(storage)).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect(ranges()).toHaveLength(2);
    expect(await new Cache(storage).files()).toEqual([]);
    local.faults.clear();
    expect(await wholeOf(await fetchBig(storage))).toBe(bigDigest);
  });

  test("chunks that rotted on the disk: the whole is wrong, fetched anew and right", async () => {
    const storage = "big-rot";
    local.faults.add({ kind: "cut", path: "/repos/", at: 18 * MiB });
    local.faults.add({ kind: "status", status: 503, path: "/repos/", times: 2 });
    await expect(fetchBig(storage)).rejects.toThrow();
    await new Promise<void>((resolve) => {
      const request = indexedDB.open(`${storage}-hub`);
      request.onsuccess = () => {
        const row = request.result.transaction("partials", "readwrite").objectStore("partials").openCursor();
        row.onsuccess = () => {
          const value = row.result?.value as { hash: Uint8Array };
          const hash = value.hash.slice();
          hash[20] = (hash[20] ?? 0) ^ 1; // inside the state, past its version
          row.result?.update({ ...value, hash }).addEventListener("success", () => (request.result.close(), resolve()));
        };
      };
    });
    expect(await wholeOf(await fetchBig(storage))).toBe(bigDigest);
  });

  test("a disk that fills half-way: the rest stays in memory, and it says what to delete", async () => {
    const storage = "big-full";
    await (await hub({ storage })).model("alice/tiny");
    const put = IDBObjectStore.prototype.put;
    const full = vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, value: unknown, key?: IDBValidKey) {
      if (Array.isArray(key) && Number(key[1]) > 0) throw new DOMException("full", "QuotaExceededError");
      return put.call(this, value, key);
    });
    const opened = place(storage);
    const file = await (await openFolder("alice/big", opened)).open("onnx/model.onnx_data");
    expect(await wholeOf(file)).toBe(bigDigest);
    expect(opened.shelf.warnings).toMatchObject([{ code: "cache-quota", message: expect.stringMatching(/alice\/big.*storage for this site is full.*the largest there: .*alice\/tiny\/onnx\/model\.onnx \(0\.0 MB\)/) as string }]);
    expect((await opened.shelf.cache.files()).find(({ state }) => state === "memory")?.name).toBe(bigFile);
    full.mockRestore();
  });

  test("asked for twice at once is downloaded once", async () => {
    const opened = place("big-twice");
    const folder = await openFolder("alice/big", opened);
    const [a, b] = await Promise.all([folder.open("onnx/model.onnx_data"), folder.read("onnx/model.onnx_data")]);
    expect([a.downloaded, b.downloaded]).toEqual([big.length, 0]);
    expect(ranges()).toEqual([null]);
  });

  test("a connection that falls silent is given up after half a minute and asked again", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    try {
      local.faults.add({ kind: "stall", path: "/repos/", at: 3 * MiB });
      const seen: number[] = [];
      const file = fetchBig("big-stall", ({ state, loaded }) => state === "download" && seen.push(loaded));
      while (seen.at(-1) !== 3 * MiB) await new Promise((resolve) => setImmediate(resolve));
      await vi.advanceTimersByTimeAsync(29_000);
      expect(ranges()).toEqual([null]);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(await wholeOf(await file)).toBe(bigDigest);
      expect(ranges()).toEqual([null, `bytes=${3 * MiB}-`]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("a database of the first version", () => {
  test("is read on", async () => {
    const storage = "old";
    await new Promise<void>((resolve) => {
      const request = indexedDB.open(`${storage}-hub`, 1);
      request.onupgradeneeded = () => request.result.createObjectStore("files");
      request.onsuccess = () => {
        const transaction = request.result.transaction("files", "readwrite");
        transaction.objectStore("files").put({ name: "zoo/x", bytes: 3, blob: new Blob(["abc"]) }, "key");
        transaction.oncomplete = () => (request.result.close(), resolve());
      };
    });
    const cache = new Cache(storage);
    expect(new TextDecoder().decode((await cache.find("key")) ?? undefined)).toBe("abc");
    expect(await cache.files()).toEqual([{ id: "key", name: "zoo/x", bytes: 3, state: "kept" }]);
  });
});
