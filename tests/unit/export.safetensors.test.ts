/** Merged weights back under the names of their checkpoint, and a folder of them on a Hub. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openSafetensors } from "../../src/checkpoint/safetensors/open.ts";
import type { Alignment, OnnxWeight } from "../../src/checkpoint/types.ts";
import { fillsOf } from "../../src/export/bake.ts";
import { modelFiles } from "../../src/export/modelFiles.ts";
import { type BaseCheckpoint, safetensorsFiles } from "../../src/export/safetensors.ts";
import { pushFolder } from "../../src/hub/push.ts";
import { align } from "../../src/space/align/align.ts";
import { alignByValue, type CheckpointValues } from "../../src/space/align/byValue.ts";
import { mapOf } from "../../src/space/align/weightMap.ts";
import { transpose } from "../../src/space/transpose.ts";
import { type LocalHub, openLocalHub } from "../fixtures/hub/local.ts";
import { glyphGraph, glyphNames, glyphTensors } from "../fixtures/onnx/glyphs.ts";
import { inMemory } from "../fixtures/safetensors/load.ts";
import { gaussian, largestDifference } from "../kernels/sample.ts";

const opened = (files: readonly { path: string; bytes: Uint8Array }[]) => openSafetensors(inMemory(Object.fromEntries(files.map(({ path, bytes }) => [path, bytes as Uint8Array<ArrayBuffer>]))), { model: "the export" });

test("a merge of the glyphs is its family's checkpoint again, under each head", async () => {
  const [base, kana] = [glyphGraph("base"), glyphGraph("kana")];
  const labels = (id: string) => ({ modelType: "vit", labels: Array.from({ length: id === "base" ? 282 : 46 }, (_, i) => `${id} ${i}`), raw: {} });
  const found = align([{ id: "base", skeleton: base.skeleton, config: labels("base") }, { id: "kana", skeleton: kana.skeleton, config: labels("kana") }], { baseId: "base", names: glyphNames });
  const of: BaseCheckpoint = {
    map: mapOf(glyphNames, base.skeleton.weights),
    tensors: [...Object.values(glyphNames.tensors).map(({ name, shape }) => ({ name, shape, dtype: "F32" })), { name: "vit.pooler.dense.bias", shape: [3], dtype: "F16" }],
    stored: async (name) => (expect(name).toBe("vit.pooler.dense.bias"), Uint8Array.of(1, 2, 3, 4, 5, 6)),
  };
  const files = await modelFiles({
    alignment: found, weights: found.segments.map(({ weight }) => kana.tensor(weight.kana!)), dtype: "float32", checkpoint: { base: "base", of },
    heads: [{ model: "kana", tasks: ["kana"], tensors: found.heads.map(({ of }) => kana.tensor(of.kana!.weight)), files: [{ path: "config.json", bytes: new TextEncoder().encode('{"model_type":"vit"}') }] }],
  });
  expect(files.map(({ path }) => path).sort()).toEqual(["kana/config.json", "kana/model.safetensors", "kana/onnx/model.onnx", "onnx/model.onnx"]);
  const checkpoint = await opened(files.filter(({ path }) => path.endsWith("safetensors")));
  const wanted = glyphTensors("kana");
  expect(checkpoint.tensors.map(({ name }) => name).sort()).toEqual([...wanted.keys(), "vit.pooler.dense.bias"].sort());
  for (const [name, { shape, values }] of wanted) {
    expect([name, checkpoint.get(name)?.shape]).toEqual([name, shape]);
    expect(largestDifference(await checkpoint.readF32(name), values), name).toBe(0);
  }
  expect(await checkpoint.readRaw("vit.pooler.dense.bias")).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
});

describe("weights that the graph fused, cut, tied", () => {
  const t = (shape: number[], seed: number) => ({ shape, values: gaussian(shape.reduce((a, b) => a * b), seed) });
  /** Everything goes through aligning by value, so a round trip is a claim about both. */
  async function roundTrip(tensors: Record<string, { shape: number[]; values: Float32Array }>, weights: { shape: number[]; values: Float32Array }[], dtype: "float32" | "float16" = "float32") {
    const list = weights.map(({ shape, values }, id): OnnxWeight => ({ id, name: `onnx::${id}`, shape, dtype: "float32", length: values.length }));
    const checkpoint: CheckpointValues = { tensors: Object.entries(tensors).map(([name, { shape, values }]) => ({ name, shape, elements: values.length, dtype: "F32" })), readF32: async (name, from, to) => tensors[name]!.values.slice(from, to) };
    const map = await alignByValue({ weights: list, read: async (id) => weights[id]!.values.slice() }, checkpoint);
    const found = {
      space: { segments: list.map(({ name, shape, length }, index) => ({ index, name, shape, transposed: false, length, start: 0, layer: null })), length: 0 },
      segments: list.map(({ id, name }) => ({ inputs: [name], weight: { base: id }, dtype: "float32" })), heads: [], graph: new Uint8Array(0), inputs: [], outputs: [], graphs: [],
    } satisfies Alignment;
    const stored = async (name: string) => new Uint8Array(tensors[name]!.values.slice().buffer);
    return opened(await safetensorsFiles(found, "base", fillsOf(found, weights.map(({ values }) => values)), { map, tensors: Object.entries(tensors).map(([name, { shape }]) => ({ name, shape, dtype: "F32" })), stored }, dtype));
  }

  test("come back as the tensors they were", async () => {
    const tensors = { q: t([6, 8], 1), k: t([6, 8], 2), v: t([4, 8], 3), c_attn: t([8, 18], 4), "c_attn.bias": t([18], 5), unused: t([2, 2], 6) };
    const stacked = Float32Array.from([tensors.q, tensors.k, tensors.v].flatMap(({ values }) => [...values]));
    const part = (first: number) => Float32Array.from({ length: 48 }, (_, i) => tensors.c_attn.values[Math.floor(i / 6) * 18 + first + (i % 6)]!);
    const file = await roundTrip(tensors, [
      { shape: [8, 16], values: transpose(stacked, 16, 8) }, { shape: [8, 6], values: part(0) }, { shape: [6, 8], values: transpose(part(6), 8, 6) }, { shape: [8, 6], values: part(12) },
      ...[0, 6, 12].map((first) => ({ shape: [6], values: tensors["c_attn.bias"].values.slice(first, first + 6) })),
    ]);
    expect(file.tensors).toHaveLength(6);
    for (const [name, { shape, values }] of Object.entries(tensors)) {
      expect(file.get(name)?.shape).toEqual(shape);
      expect(await file.readF32(name), name).toEqual(values);
    }
  });

  test("a tied table is written under both its names, in the type that was asked for", async () => {
    const table = t([10, 4], 1);
    const file = await roundTrip({ "embed.weight": table, "lm_head.weight": table }, [table], "float16");
    expect(file.tensors.map(({ name, dtype }) => [name, dtype])).toEqual([["embed.weight", "F16"], ["lm_head.weight", "F16"]]);
    expect(await file.readRaw("embed.weight")).toEqual(await file.readRaw("lm_head.weight"));
  });

  test("half of a fused tensor cannot be written whole", async () => {
    const whole = t([8, 12], 1);
    const half = Float32Array.from({ length: 48 }, (_, i) => whole.values[Math.floor(i / 6) * 12 + (i % 6)]!);
    await expect(roundTrip({ whole }, [{ shape: [8, 6], values: half }])).rejects.toMatchObject({ code: "graph-mismatch" });
  });
});

describe("pushing", () => {
  let hub: LocalHub;
  beforeAll(async () => {
    hub = await openLocalHub({ tokens: { hf_mine: "me", hf_other: "other" } });
  });
  afterAll(() => hub.close());
  const text = (value: string) => new TextEncoder().encode(value);
  const weights = Uint8Array.from({ length: 70_000 }, (_, i) => (i * 13) % 251);
  const files = [{ path: "README.md", bytes: text("---\ntags: [merge]\n---\n") }, { path: "onnx/model.onnx", bytes: weights }, { path: "config.json", bytes: text("{}") }];
  const read = async (path: string) => new Uint8Array(await (await fetch(`${hub.url}/me/merged/resolve/main/${path}`, { headers: { Authorization: "Bearer hf_mine" } })).arrayBuffer());

  test("makes the repository, large files by LFS, one commit; once more, it is changed", async () => {
    const pushed = await pushFolder(files, { repo: "me/merged", token: "hf_mine", hub: hub.url, private: true });
    expect(pushed).toEqual({ commit: expect.stringMatching(/^[0-9a-f]{40}$/) as string, url: `${hub.url}/me/merged` });
    for (const { path, bytes } of files) expect(await read(path)).toEqual(bytes);
    expect((await fetch(`${hub.url}/me/merged/resolve/main/config.json`)).status).toBe(401); // private
    const asked = hub.asked();
    expect(asked.filter((line) => line.includes("/commit/"))).toHaveLength(1);
    expect(asked.some((line) => line.includes("info/lfs/objects/batch"))).toBe(true);
    expect(asked.join("\n")).not.toContain("hf_mine");
    const again = await pushFolder([{ path: "config.json", bytes: text('{"a":1}') }], { repo: "me/merged", token: "hf_mine", hub: hub.url, remove: ["README.md"] });
    expect(again.commit).not.toBe(pushed.commit);
    expect(await read("config.json")).toEqual(text('{"a":1}'));
    expect(hub.asked().some((line) => line.includes("repos/create"))).toBe(false);
    expect((await fetch(`${hub.url}/me/merged/resolve/main/README.md`, { headers: { Authorization: "Bearer hf_mine" } })).status).toBe(404);
  });

  test.for([
    ["a name of another form", { repo: "merged" }, "bad-arguments", /owner\/name/],
    ["a way out", { repo: "../merged" }, "bad-arguments", /owner\/name/],
    ["no token", { token: "" }, "bad-arguments", /token is needed/],
    ["a token nobody has", { token: "hf_wrong" }, "gated", /HTTP 401/],
    ["a token of somebody else", { token: "hf_other" }, "gated", /HTTP 403/],
    ["no Hub there", { hub: "http://127.0.0.1:9" }, "offline", /does not answer/],
  ] as const)("refused in a sentence: %s", async ([, changes, code, message]) => {
    const error = await pushFolder(files, { repo: "me/fresh", token: "hf_mine", hub: hub.url, ...changes }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
    expect((error as Error).message).not.toContain("hf_");
  });

  test("nothing outside the folder, and nothing at all, is pushed", async () => {
    await expect(pushFolder([{ path: "../up", bytes: text("x") }], { repo: "me/fresh", token: "hf_mine", hub: hub.url })).rejects.toMatchObject({ code: "internal" });
    await expect(pushFolder([], { repo: "me/fresh", token: "hf_mine", hub: hub.url })).rejects.toMatchObject({ code: "internal" });
  });
});
