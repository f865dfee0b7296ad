import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import { describe, expect, test } from "vitest";
import { decodeModel, type GraphProto } from "../../src/checkpoint/onnx/proto.ts";
import { quicken } from "../../src/checkpoint/onnx/quicken.ts";
import { readParts } from "../../src/checkpoint/onnx/read.ts";
import { templateOf } from "../../src/checkpoint/onnx/template.ts";
import { widen } from "../../src/checkpoint/onnx/widen.ts";
import { bodiesOf } from "../../src/checkpoint/onnx/weights.ts";
import type { LiftedGraph } from "../../src/checkpoint/types.ts";
import { align } from "../../src/space/align/align.ts";
import type { Segment } from "../../src/space/types.ts";
import { bytesOf, distance, inputOf, read, run, weightsOf } from "../fixtures/onnx/load.ts";

/** Two graphs that share nothing but the idea: one with branches that take weights from outside, one without. */
const both = (first = "branch", second = "base") =>
  readParts([{ role: "encoder", file: "encoder_model.onnx", bytes: bytesOf(`${first}.onnx`) }, { role: "decoder", file: "decoder_model_merged.onnx", bytes: bytesOf(`${second}.onnx`) }], { name: "both", external: bytesOf });

describe("an encoder and a decoder", () => {
  test("are one space, and run apart as they did", async () => {
    const file = both();
    const found = align([inputOf("a", file), inputOf("b", both())], { baseId: "a" });
    const fed = weightsOf(found, "b", file);
    expect(found.graphs.map(({ role }) => role)).toEqual(["encoder", "decoder"]);
    expect(new Set(found.graphs.flatMap(({ weights }) => weights))).toEqual(new Set(Object.keys(fed)));
    for (const [i, fixture] of ["branch", "base"].entries()) {
      const { bytes, weights } = found.graphs[i] as (typeof found.graphs)[number];
      expect(distance(await run(bytes, fixture, Object.fromEntries(weights.map((name) => [name, fed[name] as (typeof fed)[string]]))), fixture)).toBeLessThan(1e-5);
    }
  });

  test("are named apart only where their names collide", () => {
    const twice = both("base", "base");
    expect(twice.skeleton.weights.map(({ name }) => name).filter((name) => !/^(encoder|decoder)\//.test(name))).toEqual([]);
    expect(both().skeleton.weights.map(({ name }) => name).filter((name) => /^(encoder|decoder)\//.test(name))).toEqual([]);
  });

  test("hold a large table once where both files have the same", () => {
    const bytes = new Uint8Array(readFileSync(new URL("../../public/zoo/glyphs/base/onnx/model.onnx", import.meta.url)));
    const alone = readParts([{ role: "model", file: "model.onnx", bytes }], { name: "alone" }).skeleton.weights;
    const twice = readParts([{ role: "encoder", file: "encoder", bytes: bytes.slice() }, { role: "decoder", file: "decoder", bytes: bytes.slice() }], { name: "twice" }).skeleton.weights;
    // From 1,024 numbers on equal bytes mean something.
    const large = alone.filter(({ shape, length }) => shape.length > 1 && length >= 1024).length;
    expect(large).toBeGreaterThan(10);
    expect(twice).toHaveLength(2 * alone.length - large);
  });
});

test("a candidate put into its template is the model it would be as a file of its own", async () => {
  const found = align([inputOf("base", read("base")), inputOf("renamed", read("renamed"))], { baseId: "base" });
  const fed = Object.entries(weightsOf(found, "renamed", read("renamed")));
  const template = templateOf(found.graph, fed.map(([name, { dims }]) => ({ name, shape: dims })));
  fed.forEach(([, { data }], i) => template.fill(i, new Float32Array(data.length)));
  expect(distance(await run(template.bytes, "renamed"), "renamed")).toBeGreaterThan(0.01);
  fed.forEach(([, { data }], i) => template.fill(i, data));
  expect(distance(await run(template.bytes, "renamed"), "renamed")).toBeLessThan(1e-5);
});

test("a graph that computes in halves computes the same in floats", async () => {
  const file = read("computes-in-halves");
  const found = align([inputOf("a", file)], { baseId: "a" });
  const wide = widen(found.graph);
  expect(JSON.stringify(decodeModel(wide, "wide").graph?.node.map(({ attribute }) => attribute.map(({ i }) => Number(i ?? 0))))).not.toContain("[10]");
  const got = await run(wide, "computes-in-halves", weightsOf(found, "a", file));
  // Halves have eleven bits: what Python answered is only that exact.
  expect(distance(got, "computes-in-halves")).toBeLessThan(5e-3);
  expect(widen(wide)).toBe(wide);
});

describe("root-mean-square norms", () => {
  const at = (path: string) => new Uint8Array(readFileSync(new URL(`../../public/zoo/words/base/onnx/${path}.onnx`, import.meta.url)));
  const file = readParts([{ role: "encoder", file: "encoder", bytes: at("encoder_model") }, { role: "decoder", file: "decoder", bytes: at("decoder_model_merged") }], { name: "words" });
  const { graphs, segments, space } = align([inputOf("base", file)], { baseId: "base" });
  const count = (graph: GraphProto, opType: string): number =>
    graph.node.reduce((sum, node) => sum + Number(node.opType === opType) + bodiesOf(node).reduce((inner, body) => inner + count(body.graph, opType), 0), 0);
  const operators = (bytes: Uint8Array, opType: string) => count(decodeModel(bytes, "graph").graph as GraphProto, opType);

  test("become one operator each, in both branches of a decoder", () => {
    // Three layers of two norms and a last one; two layers of three and a last one, in two branches.
    for (const [i, norms] of [7, 14].entries()) {
      const { bytes } = graphs[i] as LiftedGraph;
      expect(operators(bytes, "ReduceMean")).toBe(norms);
      expect(operators(quicken(bytes), "SimplifiedLayerNormalization")).toBe(norms);
      expect(operators(quicken(bytes), "ReduceMean")).toBe(0);
    }
  });

  test("and say the same", async () => {
    const { bytes, weights } = graphs[0] as LiftedGraph;
    const feeds: Record<string, ort.Tensor> = {
      input_ids: new ort.Tensor("int64", BigInt64Array.from([5n, 9n, 12n, 1n, 7n, 1n, 0n, 0n]), [2, 4]),
      attention_mask: new ort.Tensor("int64", BigInt64Array.from([1n, 1n, 1n, 1n, 1n, 1n, 0n, 0n]), [2, 4]),
    };
    segments.forEach(({ inputs, weight }, k) => {
      for (const name of inputs) if (weights.includes(name)) feeds[name] = new ort.Tensor("float32", file.tensor(weight["base"] as number), [...(space.segments[k] as Segment).shape]);
    });
    const [plain, quick] = await Promise.all([bytes, quicken(bytes)].map(async (graph) => {
      const session = await ort.InferenceSession.create(graph, { logSeverityLevel: 3 });
      return (await session.run(feeds))["last_hidden_state"]?.data as Float32Array;
    }));
    expect(plain?.length).toBe(2 * 4 * 96);
    expect(Math.max(...(plain ?? []).map((value, i) => Math.abs(value - (quick?.[i] ?? NaN))))).toBeLessThan(1e-5);
  });
});
