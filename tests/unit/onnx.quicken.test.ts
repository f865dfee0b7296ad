import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fuseAttention } from "../../src/checkpoint/onnx/attention.ts";
import { narrowRows } from "../../src/checkpoint/onnx/narrow.ts";
import { decodeModel, newNode, tensorInfo, type ModelProto, type NodeProto } from "../../src/checkpoint/onnx/proto.ts";
import { quicken } from "../../src/checkpoint/onnx/quicken.ts";
import { readOnnx } from "../../src/checkpoint/onnx/read.ts";
import { align } from "../../src/space/align/align.ts";

const skeletons = ["base", "digits"].map((id) => ({
  id,
  skeleton: readOnnx(readFileSync(new URL(`../../public/zoo/glyphs/${id}/onnx/model.onnx`, import.meta.url)), { name: id }).skeleton,
  config: null,
}));
/** The bundled family's lifted graph, to be changed at will. */
const glyphs = (): ModelProto => decodeModel(align(skeletons, { baseId: "base" }).graph, "glyphs");
const ops = (model: ModelProto, opType: string): NodeProto[] => model.graph!.node.filter((node) => node.opType === opType);
const takers = (model: ModelProto, name: string) => model.graph!.node.filter((node) => node.input.includes(name));

describe("attention", () => {
  test("each attention of the bundled family becomes one op, with heads and scale read off the graph", () => {
    const model = glyphs();
    expect(fuseAttention(model)).toBe(true);
    const fused = ops(model, "MultiHeadAttention");
    expect(fused).toHaveLength(4);
    for (const { domain, attribute } of fused) {
      expect(domain).toBe("com.microsoft");
      expect(attribute.find(({ name }) => name === "num_heads")?.i).toBe(5n);
      expect(attribute.find(({ name }) => name === "scale")?.f).toBeCloseTo(0.25, 7); // 1/√16
    }
    expect(model.opsetImport.filter(({ domain }) => domain === "com.microsoft")).toHaveLength(1);
    expect(ops(model, "Softmax")).toHaveLength(0);
  });

  test("what is masked is left alone", () => {
    const model = glyphs();
    for (const softmax of ops(model, "Softmax")) {
      const masked = `${softmax.input[0]}.masked`;
      model.graph!.node.splice(model.graph!.node.indexOf(softmax), 0, newNode("Add", [softmax.input[0]!, "mask"], [masked]));
      softmax.input[0] = masked;
    }
    model.graph!.input.push(tensorInfo("mask", 1, ["batch", 1, 1, 17]));
    expect(fuseAttention(model)).toBe(false);
    expect(ops(model, "Softmax")).toHaveLength(4);
  });

  test("what somebody else reads from its middle is left alone", () => {
    const model = glyphs();
    const [softmax] = ops(model, "Softmax");
    model.graph!.output.push(tensorInfo(softmax!.output[0]!, 1, ["batch", 5, 17, 17]));
    expect(fuseAttention(model)).toBe(true);
    expect(ops(model, "MultiHeadAttention")).toHaveLength(3);
    expect(ops(model, "Softmax")).toHaveLength(1);
  });
});

describe("rows", () => {
  test("only the row that is read goes through the last layer's projections", () => {
    const model = glyphs();
    expect(narrowRows(model.graph!)).toBe(true);
    const rows = ops(model, "Gather").filter((node) => node.output[0]?.endsWith(".row0"));
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) expect(takers(model, row.output[0]!).length).toBeGreaterThan(0);
    // Every projection of the first three layers keeps all rows.
    const narrowed = model.graph!.node.filter((node) => node.input.some((input) => input.endsWith(".row0")));
    for (const { name } of narrowed) expect(name).toContain("layer.3");
  });

  test("an output that needs all rows keeps them", () => {
    const model = glyphs();
    const final = ops(model, "LayerNormalization").at(-1)!;
    model.graph!.output.push(tensorInfo(final.output[0]!, 1, ["batch", 17, 80]));
    expect(narrowRows(model.graph!)).toBe(false);
  });

  test("a row in the middle is not moved: an operand may be broadcast along rows", () => {
    const model = glyphs();
    const gather = ops(model, "Gather").find((node) => node.output[0] === "/Gather_output_0")!;
    const index = ops(model, "Constant").find((node) => node.output[0] === gather.input[1])!;
    index.attribute.find(({ name }) => name === "value")!.t!.rawData = Uint8Array.of(3, 0, 0, 0, 0, 0, 0, 0);
    expect(narrowRows(model.graph!)).toBe(false);
  });

  test("a graph with nothing to gain comes back as it is", () => {
    const bytes = readFileSync(new URL("../fixtures/onnx/base.onnx", import.meta.url));
    expect(quicken(bytes)).toBe(bytes);
  });
});
