import { describe, expect, test } from "vitest";
import type { Alignment } from "../../src/checkpoint/types.ts";
import { isLabError, type LabError } from "../../src/lib/error.ts";
import { align } from "../../src/space/align/align.ts";
import { layerOf } from "../../src/space/align/names.ts";
import { distance, inputOf, read, run, weightsOf } from "../fixtures/onnx/load.ts";

const names = (alignment: Alignment) => alignment.space.segments.map((segment) => segment.name);
const aligned = (...models: string[]) => align(models.map((name) => inputOf(name, read(name))), { baseId: models[0] as string });

function refusal(action: () => unknown): LabError {
  try {
    action();
  } catch (error) {
    if (isLabError(error)) return error;
    throw error;
  }
  throw new Error("was not refused");
}

const body = ["embed.bias", "embed.weight", "layer.0.dense.bias", "layer.0.dense.weight", "layer.0.norm.bias", "layer.0.norm.weight", "norm.bias", "norm.weight"];

describe("one space from different exports", () => {
  test("tensors one export shared are told apart where another does not share them", () => {
    const both = aligned("base", "renamed");
    expect(read("base").skeleton.weights).toHaveLength(8);
    expect(both.segments.length + both.heads.length).toBe(10);
    // The second norm has no name of its own in the base, and only a number in the other: its node's name it is.
    expect(names(both).filter((name) => /norm|n1/.test(name))).toEqual(["layer.0.norm.bias", "layer.0.norm.weight", "n1.bias", "n1.weight"]);
    const [first, second] = ["layer.0.norm.weight", "n1.weight"].map((name) => both.segments[names(both).indexOf(name)]);
    expect(first?.weight["base"]).toBe(second?.weight["base"]);
    expect(first?.weight["renamed"]).not.toBe(second?.weight["renamed"]);
  });

  test("tensors every model shares stay one", () => {
    expect(align([inputOf("a", read("base")), inputOf("b", read("base"))], { baseId: "a" }).segments).toHaveLength(8);
  });

  test("names are the checkpoint's, sorted by code units, whatever exporters call them", () => {
    const spaces = [aligned("half", "renamed"), aligned("constants", "renamed"), aligned("ir3", "external", "renamed")];
    expect(names(spaces[1] as Alignment)).toEqual(body);
    expect(names(spaces[2] as Alignment)).toEqual(body);
    expect(names(spaces[0] as Alignment)).toHaveLength(8);
    for (const { space } of spaces) {
      expect(space.length).toBe(6 * 8 + 6 + 36 + 6 + 4 * 6);
      expect(space.segments.map((s) => s.index)).toEqual(space.segments.map((_, i) => i));
    }
  });

  test("the map of a family names and transposes", () => {
    const base = read("constants");
    const tensors = { "layer.0.dense.weight": { name: "body.layers.3.dense.weight", transposed: true, shape: [6, 6] } };
    const found = align([inputOf("base", base), inputOf("x", read("ir3"))], { baseId: "base", names: { names: 1, tensors } });
    expect(found.space.segments.find((s) => s.name === "body.layers.3.dense.weight")).toMatchObject({ transposed: true, layer: 3, shape: [6, 6] });
    const wrong = { "embed.weight": { name: "embed.weight", transposed: false, shape: [6, 8] } };
    expect(refusal(() => align([inputOf("base", base)], { baseId: "base", names: { names: 1, tensors: wrong } })).message).toMatch(/8×6/);
  });

  test("layers are read from names", () => {
    expect(["vit.encoder.layer.11.a", "model.layers.0.mlp", "blocks.3.attn", "h.7.ln", "embeddings.4"].map(layerOf)).toEqual([11, 0, 3, 7, null]);
  });
});

describe("the lifted graph", () => {
  // Python's onnxruntime on one side, the WASM build on the other: a few roundings of numbers around 1.
  const tolerance = 1e-5;
  test.for([
    ["base", "renamed"], ["renamed", "base"], ["half", "renamed"], ["renamed", "half"], ["constants", "renamed", "ir3"],
    ["ir3", "half"], ["external", "renamed"], ["branch", "branch-expert"], ["tied", "tied-words"], ["tied-words", "tied"], ["untied", "tied"],
    ["computes-in-halves"],
  ])("of %s fed with each model's weights is that model", async (models) => {
    const found = aligned(...models);
    for (const name of models) {
      const got = await run(found.graph, name, weightsOf(found, name, read(name)));
      expect(distance(got, name), name).toBeLessThan(tolerance);
    }
  });

  test("holds no weights and no stale shapes, and says what is fed", () => {
    const found = aligned("half", "renamed");
    expect(found.inputs).toEqual([{ name: "pixel_values", type: "float32", shape: ["batch", 8] }]);
    expect(found.outputs).toEqual([{ name: "logits", type: "float32", shape: ["batch", "classifier.bias_fp16_dim0"] }]);
    expect(found.graph.length).toBeLessThan(1400);
    expect(new TextDecoder("latin1").decode(found.graph)).not.toContain("Cast");
  });
});

describe("heads", () => {
  test("last weights of another size", () => {
    const { heads } = aligned("constants", "renamed");
    expect(heads.map((head) => [head.name, head.why])).toEqual([["classifier.bias", "shape"], ["classifier.weight", "shape"]]);
    expect(heads[1]?.of["renamed"]?.shape).toEqual([6, 3]);
  });

  test("last weights whose labels differ, though their shapes agree", () => {
    const two = (a: string[] | null, b: string[]) => align([inputOf("base", read("constants"), a), inputOf("x", read("ir3"), b)], { baseId: "base" });
    const found = two(["a", "b", "c", "d"], ["e", "f", "g", "h"]);
    expect(found.heads.map((head) => [head.name, head.why])).toEqual([["classifier.bias", "labels"], ["classifier.weight", "labels"]]);
    expect(found.outputs[0]?.shape).toEqual(["batch", 4]);
    expect(two(["a", "b", "c", "d"], ["a", "b", "c", "d"]).heads).toEqual([]);
    expect(two(null, ["a", "b", "c", "d"]).heads).toEqual([]); // one that says nothing agrees with all
  });

  test("an embedding table with more words, at both ends", () => {
    const { heads, segments, outputs } = aligned("tied", "tied-words");
    expect(heads.map((head) => head.name)).toEqual(["shared.weight"]);
    expect(segments).toHaveLength(1);
    expect(outputs[0]?.shape).toEqual(["batch", "time", "shared.weight_dim0"]);
  });

  test("untied in one model: two tensors", () => {
    const { space, segments } = aligned("tied", "untied");
    expect(names({ space } as Alignment)).toEqual(["block.0.weight", "lm_head.weight", "shared.weight"]);
    expect(new Set(segments.map((s) => s.weight["tied"])).size).toBe(2);
  });
});

describe("models that do not fit", () => {
  test("another width: first tensors, both shapes, what matches and what can be merged", () => {
    const error = refusal(() => aligned("constants", "renamed", "wide"));
    expect(error.code).toBe("shape-mismatch");
    expect(error.message).toMatch(/embed\.weight is 8×6 in constants but 8×5 in wide/);
    expect(error.message).toMatch(/What can be merged with constants: renamed\.$/);
    expect(error.details).toMatchObject({ fits: ["renamed"], matching: 0 });
  });

  test("another architecture: the first node that differs", () => {
    const error = refusal(() => aligned("constants", "sigmoid"));
    expect(error.code).toBe("graph-mismatch");
    expect(error.message).toMatch(/Relu node "r".*Sigmoid node "r"/);
    expect(error.message).toMatch(/None of these experts/);
  });

  test("another model altogether", () => {
    expect(refusal(() => aligned("constants", "branch")).code).toBe("graph-mismatch");
    expect(refusal(() => aligned("tied", "constants")).code).toBe("graph-mismatch");
  });
});
