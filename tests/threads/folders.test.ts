/** Merges of dropped folders in real threads: into the origin's own files and into a chosen folder, on both kinds of kernels, given up halfway. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createLab, type LabEvent, type LabOptions, type MountedFile, type RecipeInput } from "../../src/index.ts";
import { layOut } from "../../src/checkpoint/safetensors/layout.ts";
import { openSafetensors } from "../../src/checkpoint/safetensors/open.ts";
import { blobSource } from "../../src/checkpoint/safetensors/source.ts";

const family = import.meta.glob<string>("../fixtures/parity/family/float32/*/*", { query: "?url", import: "default", eager: true });
const folders: Record<string, MountedFile[]> = {};
beforeAll(async () => {
  for (const [file, url] of Object.entries(family)) {
    const [name, path] = file.split("/").slice(-2) as [string, string];
    const blob = await (await fetch(url)).blob();
    (folders[`./${name}`] ??= []).push({ path, bytes: blob.size, blob });
  }
});

const recipe = (method: string, run: Record<string, unknown> = {}): RecipeInput =>
  ({ murmuration: 1, base: { model: "./base" }, experts: ["math", "code", "chat"].map((id) => ({ id, model: `./${id}` })), tasks: [], runs: [{ id: "it", method, ...run }], out_dtype: "auto" }) as unknown as RecipeInput;

const labs: ReturnType<typeof createLab>[] = [];
async function lab(options: LabOptions = {}, mounts = folders) {
  const made = createLab({ storage: `folders-${labs.length}`, ...options });
  labs.push(made);
  for (const [reference, files] of Object.entries(mounts)) await made.mount(reference, files);
  return made;
}
afterAll(async () => {
  for (const one of labs) await one.close();
});

type Listed = FileSystemDirectoryHandle & { keys(): AsyncIterable<string> };
async function namesIn(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const name of (folder as Listed).keys()) names.push(name);
  return names.sort();
}
const merges = async () => (await navigator.storage.getDirectory()).getDirectoryHandle("murmuration-merges", { create: true });
const chosen = async (name: string) => (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true });
const valuesOf = async (blob: Blob) => {
  const checkpoint = await openSafetensors([{ path: "model.safetensors", source: blobSource(blob, "model.safetensors") }], { model: "the result" });
  return new Map(await Promise.all(checkpoint.tensors.map(async ({ name }) => [name, await checkpoint.readF32(name)] as const)));
};
const slow = { timeout: 60_000 };

describe("into the origin's own files", () => {
  it("hands files over, with digests; they stay until they are discarded, and what a closed tab left goes", slow, async () => {
    await (await merges()).getDirectoryHandle("left-by-a-closed-tab", { create: true });
    const one = await lab({ kernels: "cpu" });
    const events: LabEvent[] = [];
    const { files, report } = await one.mergeFolders(recipe("ties", { density: 0.5 }), { onEvent: (event) => events.push(event) });
    expect(files.map(({ path }) => path)).toEqual(["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    const model = files.find(({ path }) => path === "model.safetensors")!;
    const digest = await crypto.subtle.digest("SHA-256", await model.blob!.arrayBuffer());
    expect(model.sha256).toBe(Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join(""));
    expect(report.device).toMatchObject({ kernels: "cpu", runtime: "none" });
    expect(events.some(({ type }) => type === "merging")).toBe(true);
    const [own, ...others] = await namesIn(await merges());
    expect(own).not.toBe("left-by-a-closed-tab");
    expect(others).toEqual([]);
    await one.discardFolders();
    expect(await namesIn(await merges())).toEqual([]);
  });

  it("is the same on the GPU, as far as float32 goes", slow, async () => {
    const of = async (kernels: "cpu" | "webgpu") => {
      const one = await lab({ kernels });
      const { files, report } = await one.mergeFolders(recipe("task_arithmetic", { lambda: 0.7 }));
      expect(report.device.kernels).toBe(kernels);
      const values = await valuesOf(files.find(({ path }) => path === "model.safetensors")!.blob!);
      await one.discardFolders();
      return values;
    };
    const [cpu, gpu] = [await of("cpu"), await of("webgpu")];
    expect([...gpu.keys()]).toEqual([...cpu.keys()]);
    for (const [name, values] of cpu) gpu.get(name)!.forEach((value, i) => expect(Math.abs(value - values[i]!), `${name}[${i}]`).toBeLessThanOrEqual(2e-6 * Math.max(1, Math.abs(values[i]!))));
  });

  it("says before a merge what it will read and write", slow, async () => {
    const plan = await (await lab()).planFolders(recipe("linear", { base_model: null }));
    expect(plan).toMatchObject({ run: "it", method: "linear", downloadBytes: 0 });
    const bytes = folders["./math"]!.find(({ path }) => path === "model.safetensors")!.bytes;
    expect(plan.readBytes / (3 * bytes)).toBeGreaterThan(0.8);
    expect(plan.writeBytes / bytes).toBeGreaterThan(0.8);
  });
});

describe("into a folder that somebody chose", () => {
  it("writes there, and leaves one alone that holds something", slow, async () => {
    const one = await lab({ kernels: "cpu" });
    const handle = await chosen("chosen");
    const { files } = await one.mergeFolders(recipe("linear"), { sink: { kind: "directory", handle } });
    expect(await namesIn(handle)).toEqual(files.map(({ path }) => path));
    const written = await (await handle.getFileHandle("model.safetensors")).getFile();
    expect({ bytes: written.size, blob: null }).toEqual({ bytes: files.find(({ path }) => path === "model.safetensors")!.bytes, blob: files[0]!.blob });
    expect((await valuesOf(written)).size).toBeGreaterThan(10);
    await expect(one.mergeFolders(recipe("linear"), { sink: { kind: "directory", handle } })).rejects.toMatchObject({ code: "bad-arguments", message: expect.stringContaining("not empty") });
    expect(await namesIn(handle)).toEqual(files.map(({ path }) => path));
  });

  it("in memory where there is neither", slow, async () => {
    const { files } = await (await lab()).mergeFolders(recipe("linear"), { sink: { kind: "memory" } });
    expect((await valuesOf(files.find(({ path }) => path === "model.safetensors")!.blob!)).size).toBeGreaterThan(10);
  });
});

describe("given up halfway", () => {
  /** 8 tensors of 4 MB in each of four models: some are written when the first event is told. */
  const large: Record<string, MountedFile[]> = {};
  beforeAll(() => {
    const [file] = layOut(Array.from({ length: 8 }, (_, i) => ({ name: `layers.${i}.weight`, dtype: "F32", shape: [1000, 1000] }))).files;
    ["base", "math", "code", "chat"].forEach((name, at) => {
      const blob = new Blob([file!.header, Float32Array.from({ length: 8e6 }, (_, i) => ((i * (at + 3)) % 1009) / 1009)]);
      large[`./${name}`] = [{ path: "model.safetensors", bytes: blob.size, blob }];
    });
  });

  it.for(["opfs", "directory"] as const)("leaves nothing in %s, and the next merge runs", slow, async (kind) => {
    const one = await lab({ kernels: "cpu" }, large);
    const handle = await chosen(`given-up-${kind}`);
    const sink = kind === "opfs" ? ({ kind } as const) : ({ kind, handle } as const);
    const stop = new AbortController();
    const merging = one.mergeFolders(recipe("ties", { density: 0.3 }), { sink, signal: stop.signal, onEvent: (event) => event.type === "merging" && event.share > 0.2 && stop.abort() });
    await expect(merging).rejects.toMatchObject({ code: "cancelled" });
    expect(await namesIn(await merges())).toEqual([]);
    expect(await namesIn(handle)).toEqual([]);
    const { files } = await one.mergeFolders(recipe("linear"), { sink });
    expect(files.map(({ path }) => path)).toEqual(["model.safetensors"]);
    await one.discardFolders();
  });
});
