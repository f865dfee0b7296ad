/** The outline of an ONNX file says of its tensors what the whole file says, and is read in a few ranges. */
import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { outlineOf } from "../../src/checkpoint/onnx/outline.ts";
import { encodeModel } from "../../src/checkpoint/onnx/proto.ts";
import { externalPaths, parseModel } from "../../src/checkpoint/onnx/read.ts";
import { shapeOf } from "../../src/checkpoint/onnx/tensor.ts";
import { listTensors } from "../../src/checkpoint/onnx/weights.ts";
import type { ByteSource } from "../../src/checkpoint/safetensors/source.ts";
import { bytesOf } from "../fixtures/onnx/load.ts";

type Bytes = Uint8Array<ArrayBuffer>;
const zoo = (path: string): Bytes => new Uint8Array(readFileSync(new URL(`../../public/zoo/${path}`, import.meta.url)));

function counted(bytes: Bytes): { source: ByteSource; read: () => number; times: () => number } {
  let [read, times] = [0, 0];
  return { source: { size: bytes.length, read: async (begin, end) => ((read += end - begin), times++, bytes.slice(begin, end)) }, read: () => read, times: () => times };
}

const told = (bytes: Uint8Array) => listTensors(parseModel(bytes, "x").graph).map(({ tensor, name, weight }) => ({ name, weight, type: tensor.dataType, shape: shapeOf(tensor, "x") }));

/** A graph of the glyphs with weights of 4 MB in place of its own: nodes first, as exporters write them. */
function heavy(): Bytes {
  const model = parseModel(bytesOf("base.onnx"), "x");
  for (const tensor of model.graph.initializer.slice(0, 3)) {
    tensor.dims = [1024n, 1024n];
    tensor.floatData = [];
    tensor.rawData = new Uint8Array(4 << 20).fill(7);
  }
  return new Uint8Array(encodeModel(model));
}

describe("an outline", () => {
  const fixtures = readdirSync(new URL("../fixtures/onnx/", import.meta.url)).filter((name) => name.endsWith(".onnx") && !/quantised/.test(name));
  test.for([...fixtures, "glyphs/base/onnx/model.onnx", "words/base/onnx/decoder_model_merged.onnx"])("of %s tells the same tensors", async (name) => {
    const bytes = name.includes("/") ? zoo(name) : bytesOf(name);
    const outline = await outlineOf(counted(bytes).source, { name });
    expect(told(outline ?? new Uint8Array())).toEqual(told(bytes));
    expect(externalPaths(outline ?? new Uint8Array(), name)).toEqual(externalPaths(bytes, name));
  });

  test("is read past the weights", async () => {
    const bytes = heavy();
    const { source, read, times } = counted(bytes);
    const outline = await outlineOf(source, { name: "heavy" });
    expect(told(outline ?? new Uint8Array())).toEqual(told(bytes));
    expect(bytes.length).toBeGreaterThan(12 << 20);
    expect([read() < 300_000, times() <= 5]).toEqual([true, true]);
  });

  test("is given up where it would take too long", async () => {
    expect(await outlineOf(counted(heavy()).source, { name: "heavy", reads: 2 })).toBeNull();
  });

  test("of what is no ONNX file is an error, whatever it is", async () => {
    const whole = heavy();
    const attempt = async (bytes: Bytes) => outlineOf(counted(bytes).source, { name: "odd.onnx" }).then((outline) => outline && String(told(outline).length)).catch((error: unknown) => (error as { code: string }).code);
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => ["bad-onnx", "unsupported-onnx"].includes((await attempt(new Uint8Array(bytes))) ?? "")), { numRuns: 200 });
    await fc.assert(fc.asyncProperty(fc.nat(20_000), fc.nat(255), async (at, byte) => { const changed = whole.slice(); changed[at % 20_000] = byte; await attempt(changed); return true; }), { numRuns: 30 });
    expect(await attempt(new Uint8Array(3_000_000))).toBe("bad-onnx");
    expect(await attempt(whole.slice(0, 6 << 20))).toBe("bad-onnx");
  });
});
