import { describe, expect, test } from "vitest";
import { readOnnx } from "../../src/checkpoint/onnx/read.ts";
import type { Alignment } from "../../src/checkpoint/types.ts";
import { bake, fillsOf, type StoredAs } from "../../src/export/bake.ts";
import { joinHeads } from "../../src/export/join.ts";
import { modelFiles } from "../../src/export/modelFiles.ts";
import { align } from "../../src/space/align/align.ts";
import { distance, inputOf, read, run } from "../fixtures/onnx/load.ts";

const aligned = (...models: string[]) => align(models.map((name) => inputOf(name, read(name))), { baseId: models[0] as string });
const weightsOf = (found: Alignment, id: string) => found.segments.map(({ weight }) => read(id).tensor(weight[id] as number));
const headOf = (found: Alignment, id: string) => found.heads.map(({ of }) => read(id).tensor(of[id]?.weight as number));
const baked = (found: Alignment, id: string, dtype: StoredAs) => bake(found, fillsOf(found, weightsOf(found, id), { model: id, tensors: headOf(found, id) }), { dtype });
const dtypes = (bytes: Uint8Array) => [...new Set(readOnnx(bytes, { name: "baked" }).skeleton.weights.map((weight) => weight.dtype))];
const text = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

describe("baking one model", () => {
  // Fixtures' weights are exact in halves: every storage answers alike, up to the order of sums.
  const tolerance = 1e-5;
  test.for([
    ["base", "renamed"], ["renamed", "base"], ["half", "renamed"], ["constants", "ir3"], ["branch", "branch-expert"], ["tied", "tied-words"], ["untied", "tied"],
  ])("%s: each model put back is that model", async (models) => {
    const found = aligned(...models);
    for (const id of models) {
      for (const dtype of ["keep", "float32"] as const) expect(distance(await run(baked(found, id, dtype).model, id), id), `${id} ${dtype}`).toBeLessThan(tolerance);
    }
  });

  test.for([["base", "renamed"], ["half", "renamed"]])("stored as halves, cast back where used: %s", async (models) => {
    const found = aligned(...models);
    for (const id of models) {
      const { model } = baked(found, id, "float16");
      expect(dtypes(model)).toEqual(["float16"]);
      expect(distance(await run(model, id), id)).toBeLessThan(tolerance);
    }
  });

  test("keep: halves stay halves, floats floats", () => {
    expect(dtypes(baked(aligned("half", "renamed"), "half", "keep").model)).toEqual(["float16"]);
    expect(dtypes(baked(aligned("half", "renamed"), "half", "float32").model)).toEqual(["float32"]);
    expect(dtypes(baked(aligned("base", "renamed"), "base", "keep").model)).toEqual(["float32"]);
  });

  test("a graph that computes in halves goes on doing so", async () => {
    const found = aligned("computes-in-halves");
    for (const dtype of ["keep", "float32"] as const) {
      expect(distance(await run(baked(found, "computes-in-halves", dtype).model, "computes-in-halves"), "computes-in-halves")).toBeLessThan(1e-5);
    }
    expect(new TextDecoder("latin1").decode(baked(found, "computes-in-halves", "keep").model).match(/Cast/g)).toHaveLength(2);
  });

  test("tensors the source shares and the merge tells apart are written apart", async () => {
    const found = aligned("base", "renamed");
    const again = readOnnx(baked(found, "renamed", "float32").model, { name: "baked" });
    expect(again.skeleton.weights).toHaveLength(10);
    expect(read("base").skeleton.weights).toHaveLength(8);
  });

  test("what is written aligns with what it came from", () => {
    const found = aligned("half", "renamed");
    const file = readOnnx(baked(found, "half", "keep").model, { name: "merged" });
    const again = align([inputOf("half", read("half")), inputOf("merged", file)], { baseId: "half" });
    expect(again.segments).toHaveLength(10);
    for (const { weight } of again.segments) expect(file.tensor(weight["merged"] as number)).toEqual(read("half").tensor(weight["half"] as number));
  });

  test("outputs say the head's true size", () => {
    const found = aligned("constants", "renamed");
    const sizes = (id: string) => aligned2(baked(found, id, "keep").model).outputs[0]?.shape;
    const aligned2 = (bytes: Uint8Array) => align([inputOf("one", readOnnx(bytes, { name: "one" }))], { baseId: "one" });
    expect(sizes("constants")).toEqual(["batch", 4]);
    expect(sizes("renamed")).toEqual(["batch", 3]);
  });

  test("past the limit of one file, weights lie beside it, on pages", () => {
    const found = aligned("constants", "renamed");
    const fills = fillsOf(found, weightsOf(found, "constants"), { model: "constants", tensors: headOf(found, "constants") });
    const { model, data } = bake(found, fills, { dtype: "keep", inlineBytes: 100 });
    const beside = Uint8Array.from(data.flatMap((part) => [...part]));
    const file = readOnnx(model, { name: "m", external: (path) => (path === "model.onnx_data" ? beside : new Uint8Array()) });
    const one = file.skeleton.weights.find((weight) => weight.name === "embed.weight");
    expect(file.tensor(one?.id ?? -1)).toEqual(fills.get("embed.weight")?.data);
    expect(beside.length % 4096).toBeGreaterThan(0); // the last part needs no padding
  });
});

describe("one graph for all tasks", () => {
  test.for([["constants", "renamed"], ["half", "renamed"], ["tied", "tied-words"]])("answers each task as its own model does: %s", async ([base, expert]) => {
    const found = aligned(base as string, expert as string);
    const heads = [base, expert].map((id) => ({ task: `on-${id}`, model: id as string, tensors: headOf(found, id as string) }));
    for (const body of [base as string, expert as string]) {
      const joined = await run(joinHeads(found, weightsOf(found, body), heads, { dtype: "keep" }).model, body);
      expect(Object.keys(joined)).toEqual(heads.map(({ task }) => `logits.${task}`));
      // With a model's own body, its own head's output is that model's.
      expect(distance({ logits: joined[`logits.on-${body}`] as never }, body)).toBeLessThan(1e-5);
    }
  });

  test("holds the body once", () => {
    const found = aligned("constants", "renamed");
    const heads = ["constants", "renamed", "constants"].map((model, i) => ({ task: `t${i}`, model, tensors: headOf(found, model) }));
    const { weights } = readOnnx(joinHeads(found, weightsOf(found, "constants"), heads, { dtype: "keep" }).model, { name: "joint" }).skeleton;
    expect(weights).toHaveLength(8 + 2 * 2); // two tasks share a head
  });
});

describe("files of a merged model", () => {
  const config = { id2label: { 0: "a" }, dtype: "float32", hidden_size: 6 };
  const files = (id: string) => [{ path: "config.json", bytes: text({ ...config, of: id }) }, { path: "samples/a.png", bytes: text(1) }];

  test("a folder a head, and the joint graph", async () => {
    const found = aligned("half", "renamed");
    const heads = ["half", "renamed"].map((model) => ({ model, tasks: [model], tensors: headOf(found, model), files: files(model) }));
    const out = await modelFiles({ alignment: found, weights: weightsOf(found, "half"), heads, dtype: "keep" });
    expect(out.map((file) => file.path)).toEqual(["half/config.json", "half/onnx/model.onnx", "renamed/config.json", "renamed/onnx/model.onnx", "onnx/model.onnx"]);
    const told = JSON.parse(new TextDecoder().decode(out[2]?.bytes)) as object;
    expect(told).toEqual({ ...config, of: "renamed", dtype: "float16" });
    expect(out.every((file) => /^[0-9a-f]{64}$/.test(file.sha256))).toBe(true);
    expect(distance(await run(out[1]?.bytes as Uint8Array, "half"), "half")).toBeLessThan(1e-5);
  });

  test("without heads: one model at the top", async () => {
    const found = aligned("branch", "branch-expert");
    const out = await modelFiles({ alignment: found, weights: weightsOf(found, "branch"), heads: [{ model: "branch", tasks: [], tensors: [], files: files("branch") }], dtype: "float32" });
    expect(out.map((file) => file.path)).toEqual(["config.json", "onnx/model.onnx"]);
  });
});
