import "fake-indexeddb/auto";
import { encode } from "fast-png";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { Hub } from "../../src/hub/hub.ts";
import type { HubOptions, LoadedPictures } from "../../src/threads/hub.ts";
import { bytesOf, read } from "../fixtures/onnx/load.ts";
import { Site } from "../fixtures/onnx/site.ts";

const assets = "https://site.test/deep/";
const weights = "zoo/tiny/base/onnx/model.onnx";
let site: Site;
let visits = 0;

beforeEach(async () => {
  site = await Site.make(assets, bytesOf("base.onnx"));
  vi.stubGlobal("fetch", site.fetch);
});

async function hub(options: Partial<HubOptions> = {}): Promise<Hub> {
  const opened = new Hub();
  await opened.open({ assets, storage: `test-${++visits}`, mounts: {}, ...options });
  return opened;
}

describe("a bundled model", () => {
  test("comes with what its family says", async () => {
    const model = await (await hub()).model("zoo/tiny/base");
    expect(model).toMatchObject({ family: "tiny", title: "Base", batch: 8, ref: "zoo/tiny/base" });
    expect(model.config).toMatchObject({ modelType: "mlp", labels: ["no", "yes"] });
    expect(model.preprocessor).toEqual({ width: 3, height: 2, channels: 1, rescale: 1 / 255, mean: [0.5], std: [0.25] });
    expect(model.names).toEqual({ names: 1, tensors: {} });
    expect(model.files.find((file) => file.path === "onnx/model.onnx")?.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(model.downloadBytes).toBeGreaterThan(bytesOf("base.onnx").length);
  });

  test("hands out its weights one by one, and its files as they lie", async () => {
    const opened = await hub();
    const { handle, skeleton } = await opened.model("zoo/tiny/base");
    expect(skeleton.bytes.length).toBeLessThan(1500);
    expect(await opened.tensor(handle, 2)).toEqual(read("base").tensor(2));
    expect(await opened.file(handle, "onnx/model.onnx")).toEqual(bytesOf("base.onnx"));
    opened.release(handle);
    expect(() => opened.tensor(handle, 2)).toThrow(/released/);
  });

  test("tells what it loads", async () => {
    const seen: string[] = [];
    await (await hub()).model("zoo/tiny/base", (event) => seen.push(`${event.file} ${event.state}`));
    expect(seen).toContain(`${weights} download`);
    expect(seen.indexOf(`${weights} verify`)).toBeLessThan(seen.indexOf(`${weights} cache`));
  });

  test("asked for twice at once is downloaded once", async () => {
    const opened = await hub();
    await Promise.all([opened.model("zoo/tiny/base"), opened.model("zoo/tiny/base")]);
    expect(site.asked.filter(({ path }) => path === weights)).toHaveLength(1);
  });
});

describe("the network", () => {
  test("a cut download goes on where it was cut", async () => {
    site.faults.set(weights, "cut");
    await (await hub()).model("zoo/tiny/base");
    const half = bytesOf("base.onnx").length >> 1;
    expect(site.asked.filter(({ path }) => path === weights).map(({ range }) => range)).toEqual([null, `bytes=${half}-`]);
  });

  test("wrong bytes are fetched once more", async () => {
    site.faults.set(weights, "flip-once");
    await (await hub()).model("zoo/tiny/base");
    expect(site.asked.filter(({ path }) => path === weights)).toHaveLength(2);
  });

  test.for([["flip", "digest-mismatch", /SHA-256/], ["short", "length-mismatch", /should have \d+ bytes/], ["web-page", "length-mismatch", /bytes/]] as const)(
    "%s twice: refused, and nothing of it is kept",
    async ([fault, code, message]) => {
      const opened = await hub();
      site.faults.set(weights, fault);
      await expect(opened.model("zoo/tiny/base")).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
      expect((await opened.cached()).files.some(({ key }) => key.includes(weights))).toBe(false);
      site.faults.clear();
      await opened.model("zoo/tiny/base");
    },
  );

  test.for([["missing", "not-found"], ["gated", "gated"], ["busy", "rate-limited"], ["offline", "offline"]] as const)("%s: which file, why, what to do", async ([fault, code]) => {
    site.faults.set(weights, fault);
    await expect((await hub()).model("zoo/tiny/base")).rejects.toMatchObject({ code, message: expect.stringContaining(weights) as string });
    expect(site.asked.filter(({ path }) => path === weights)).toHaveLength(fault === "busy" || fault === "offline" ? 3 : 1);
  });
});

describe("the cache", () => {
  test("a second visit works with no network", async () => {
    const storage = "twice";
    const first = await hub({ storage });
    await first.families();
    await first.model("zoo/tiny/base");
    site.faults.set("*", "offline");
    const again = await hub({ storage });
    expect((await again.families()).map((family) => family.family)).toEqual(["tiny"]);
    const model = await again.model("zoo/tiny/base");
    expect(model.downloadBytes).toBe(0);
    expect(await again.tensor(model.handle, 0)).toEqual(read("base").tensor(0));
  });

  test("deleted in mid-run: downloaded again", async () => {
    const opened = await hub({ storage: "gone" });
    await opened.model("zoo/tiny/base");
    await new Promise((resolve, reject) => Object.assign(indexedDB.deleteDatabase("gone-hub"), { onsuccess: resolve, onerror: reject, onblocked: reject }));
    const { downloadBytes } = await opened.model("zoo/tiny/base");
    expect(downloadBytes).toBeGreaterThan(0);
    expect((await opened.cached()).files.length).toBeGreaterThan(0);
  });

  test("storage full: works from memory, and says so once", async () => {
    const put = vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => {
      throw new DOMException("full", "QuotaExceededError");
    });
    const opened = await hub();
    const { warnings } = await opened.model("zoo/tiny/base");
    expect(warnings?.[0]).toMatchObject({ code: "cache-quota", message: expect.stringMatching(/storage for this site is full/) as string });
    expect((await opened.model("zoo/tiny/base")).downloadBytes).toBe(0);
    put.mockRestore();
  });

  test("can be listed and emptied", async () => {
    const opened = await hub();
    await opened.model("zoo/tiny/base");
    const { files } = await opened.cached();
    const one = files.find(({ key }) => key.startsWith(weights));
    expect(one?.bytes).toBe(bytesOf("base.onnx").length);
    await opened.forget(one?.key ?? "");
    expect((await opened.cached()).files).toHaveLength(files.length - 1);
    await opened.forget(null);
    expect((await opened.cached()).files).toEqual([]);
  });
});

describe("samples", () => {
  test("tiles of a sheet, row by row", async () => {
    const samples = await (await hub()).samples("zoo/tiny/yes");
    expect(samples).toMatchObject({ kind: "pictures", width: 3, height: 2, channels: 1, labels: ["no", "yes"], split: true });
    const { optimise, test } = (samples as LoadedPictures).splits;
    expect([...optimise.pixels]).toEqual([0, 1, 2].flatMap((tile) => [0, 1, 2, 3, 4, 5].map((p) => 10 * tile + p)));
    expect(optimise).toMatchObject({ label: [0, 1, 1], id: ["x", "y", "z"], cluster: ["f", "f", "g"] });
    expect(test.id).toEqual([]);
  });

  test.for([
    [{ width: "3" }, /the field width/],
    [{ splits: undefined }, /the field splits/],
    [{ labels: ["one"] }, /label 1, but there are 1/],
    [{ columns: 1 }, /too small for 3 tiles/],
  ] as const)("a bad description names file and field: %o", async ([change, message]) => {
    const path = "zoo/tiny/yes/samples/samples.json";
    const told = JSON.parse(new TextDecoder().decode(site.files.get(path))) as object;
    site.files.set(path, new TextEncoder().encode(JSON.stringify({ ...told, ...change })));
    await site.list();
    await expect((await hub()).samples("zoo/tiny/yes")).rejects.toMatchObject({ code: "bad-samples", message: expect.stringMatching(message) as string });
  });

  test("a folder of images: one part, ids are paths", async () => {
    const png = (value: number, channels: 1 | 3 = 1) => new Blob([encode({ width: 2, height: 1, channels, depth: 8, data: new Uint8Array(2 * channels).fill(value) }) as Uint8Array<ArrayBuffer>]);
    const file = (path: string, blob: Blob) => ({ path, bytes: blob.size, blob });
    const mounts = { "./glyphs": [file("b/2.png", png(7)), file("a/1.png", png(9)), file("a/3.png", png(80, 3)), file("readme.txt", new Blob(["x"]))] };
    const samples = await (await hub({ mounts })).samples("./glyphs");
    expect(samples).toMatchObject({ width: 2, height: 1, channels: 1, labels: ["a", "b"], split: false });
    expect(samples.splits.optimise).toMatchObject({ id: ["a/1.png", "a/3.png", "b/2.png"], label: [0, 0, 1], pixels: Uint8Array.of(9, 9, 80, 80, 7, 7) });
    expect(samples.splits.test).toBe(samples.splits.optimise);
  });
});

describe("references", () => {
  const mount = (...names: string[]) => names.map((name) => ({ path: name, bytes: bytesOf(name).length, blob: new Blob([bytesOf(name)]) }));

  test("a mounted folder, and a single file with its external data", async () => {
    const opened = await hub({ mounts: { "./m": [{ ...mount("base.onnx")[0], path: "onnx/model.onnx" } as never], "../x/external.onnx": mount("external.onnx", "external.onnx_data") } });
    expect(await opened.model("./m")).toMatchObject({ family: null, config: null, preprocessor: null });
    const { handle } = await opened.model("../x/external.onnx");
    expect(await opened.tensor(handle, 0)).toEqual(read("external").tensor(0));
  });

  test("external data that is missing is named", async () => {
    await expect((await hub({ mounts: { "./m": mount("external.onnx") } })).model("./m")).rejects.toMatchObject({ code: "not-found", message: expect.stringContaining("external.onnx_data") as string });
  });

  test.for([
    ["zoo/tiny/other", /no other\. It has zoo\/tiny\/base/], ["zoo/none/base", /zoo\/none\/family\.json/], ["zoo/tiny", /zoo\/<family>\/<name>/],
    ["zoo/../secrets/base", /no bundled model/], ["./nowhere", /was not given/], ["owner/name", /Hub/], ["owner/name@main", /Hub/], ["what is this", /no reference/],
  ] as const)("%s: said plainly", async ([reference, message]) => {
    await expect((await hub()).model(reference)).rejects.toThrow(message);
  });
});
