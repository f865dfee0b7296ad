import { describe, expect, test } from "vitest";
import { foldShapes } from "../../src/checkpoint/onnx/folding.ts";
import { type GraphProto, newNode, newTensor, type NodeProto, tensorInfo } from "../../src/checkpoint/onnx/proto.ts";
import { rawBytes } from "../../src/checkpoint/onnx/tensor.ts";
import { bodiesOf } from "../../src/checkpoint/onnx/weights.ts";

const integers = (name: string, values: readonly number[], scalar = false) => newTensor({ name, dims: scalar ? [] : [BigInt(values.length)], dataType: 7n, rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) });
const graphOf = (parts: Partial<GraphProto>): GraphProto => ({ name: "g", node: [], initializer: [], sparseInitializer: [], input: [], output: [], valueInfo: [], quantizationAnnotation: [], unknown: [], ...parts });
const attribute = (name: string, value: object) => ({ name, floats: [], ints: [], strings: [], tensors: [], graphs: [], unknown: [], ...value });
const ops = ({ node }: GraphProto) => node.map(({ opType }) => opType);
const held = ({ initializer }: GraphProto, name: string) => {
  const bytes = rawBytes(initializer.find((tensor) => tensor.name === name)!, name);
  return [...new BigInt64Array(bytes.slice().buffer)].map(Number);
};

/** Nodes that read sizes of `from` one by one and put them together with others, as exports do. */
function asked(from: string, parts: readonly (number | [axis: number])[], out: string): { node: NodeProto[]; initializer: ReturnType<typeof integers>[] } {
  const node = [newNode("Shape", [from], [`${out}.shape`])];
  const initializer = [integers(`${out}.zero`, [0])];
  const pieces = parts.map((part, i) => {
    const name = `${out}.${i}`;
    if (typeof part === "number") initializer.push(integers(name, [part]));
    else {
      initializer.push(integers(`${name}.axis`, part, true));
      node.push(newNode("Gather", [`${out}.shape`, `${name}.axis`], [`${name}.size`]), newNode("Unsqueeze", [`${name}.size`, `${out}.zero`], [name]));
    }
    return name;
  });
  node.push(newNode("Concat", pieces, [out], [attribute("axis", { i: 0n })]));
  return { node, initializer };
}

describe("Reshape", () => {
  test("goes by a constant where sizes stay in place, and what computed them is gone", () => {
    const { node, initializer } = asked("x", [[0], -1, 4, 24], "to");
    const graph = graphOf({ input: [tensorInfo("x", 1, ["batch", "length", 96])], output: [tensorInfo("y", 1, ["b", 4, "l", 24])], initializer, node: [...node, newNode("Relu", ["x"], ["r"]), newNode("Reshape", ["r", "to"], ["y"])] });
    expect(foldShapes(graph)).toBe(true);
    expect(ops(graph)).toEqual(["Relu", "Reshape"]);
    expect(held(graph, graph.node[1]!.input[1]!)).toEqual([0, -1, 4, 24]);
  });

  test("through attention and back: what -1 stood for is found again where sizes cancel", () => {
    const [split, merged] = [asked("x", [[0], -1, 4, 24], "split"), asked("x", [[0], [1], 96], "merged")];
    const graph = graphOf({
      input: [tensorInfo("x", 1, ["batch", "length", 96])], output: [tensorInfo("y", 1, ["b", "l", 96])], initializer: [...split.initializer, ...merged.initializer],
      node: [...split.node, newNode("Reshape", ["x", "split"], ["heads"]), newNode("Transpose", ["heads"], ["first"], [attribute("perm", { ints: [0n, 2n, 1n, 3n] })]), newNode("Transpose", ["first"], ["back"], [attribute("perm", { ints: [0n, 2n, 1n, 3n] })]), ...merged.node, newNode("Reshape", ["back", "merged"], ["y"])],
    });
    foldShapes(graph);
    expect(ops(graph)).toEqual(["Reshape", "Transpose", "Transpose", "Reshape"]);
    expect(held(graph, graph.node[3]!.input[1]!)).toEqual([0, 0, 96]);
  });

  test("names of axes are not believed: a size of another input is asked for", () => {
    const { node, initializer } = asked("other", [[0], [1], 96], "to");
    const graph = graphOf({ input: [tensorInfo("x", 1, ["batch", "length", 96]), tensorInfo("other", 1, ["batch", "length", 96])], output: [tensorInfo("y", 1, ["b", "l", 96])], initializer, node: [...node, newNode("Reshape", ["x", "to"], ["y"])] });
    foldShapes(graph);
    // The very shape of the other: taken whole.
    expect(graph.node.map(({ opType, input }) => [opType, ...input])).toEqual([["Shape", "other"], ["Reshape", "x", "to.shape"]]);
  });

  test("one size that moved is found by -1, two are not", () => {
    for (const [parts, constant] of [[[[1], [0], 96], false], [[96, [0], [1]], false], [[[0], 96, [1]], true]] as const) {
      const { node, initializer } = asked("x", parts as never, "to");
      const graph = graphOf({ input: [tensorInfo("x", 1, ["batch", "length", 96])], output: [tensorInfo("y", 1, ["a", "b", "c"])], initializer, node: [...node, newNode("Reshape", ["x", "to"], ["y"])] });
      foldShapes(graph);
      expect(ops(graph).includes("Shape"), JSON.stringify(parts)).toBe(!constant);
    }
  });

  test("a 0 that means nothing at all is left alone", () => {
    const { node, initializer } = asked("x", [[0], 96], "to");
    const graph = graphOf({ input: [tensorInfo("x", 1, ["batch", 96])], output: [tensorInfo("y", 1, ["a", "b"])], initializer, node: [...node, newNode("Reshape", ["x", "to"], ["y"], [attribute("allowzero", { i: 1n })])] });
    foldShapes(graph);
    expect(ops(graph)).toContain("Shape");
  });
});

describe("sizes", () => {
  test("computed twice are taken from the first; sums are sums in any order", () => {
    const two = ["a", "b"].map((name) => asked("x", [[0], [1]], name));
    const graph = graphOf({
      input: [tensorInfo("x", 1, ["batch", "length"]), tensorInfo("past", 1, ["batch", "before"])], output: [tensorInfo("p", 1, ["n"]), tensorInfo("q", 1, ["n"])], initializer: [...two.flatMap((one) => one.initializer), integers("one", [1], true)],
      node: [
        ...two.flatMap((one) => one.node), newNode("Shape", ["past"], ["past.shape"]), newNode("Gather", ["past.shape", "one"], ["before"]),
        newNode("Add", ["a.1.size", "before"], ["sum"]), newNode("Add", ["before", "b.1.size"], ["mus"]), newNode("Expand", ["sum", "a"], ["p"]), newNode("Expand", ["mus", "b"], ["q"]),
      ],
    });
    foldShapes(graph);
    const [p, q] = graph.node.slice(-2);
    expect(p?.input).toEqual(["sum", "a.shape"]);
    expect(q?.input).toEqual(["sum", "a.shape"]);
    expect(ops(graph)).toEqual(["Shape", "Gather", "Shape", "Gather", "Add", "Expand", "Expand"]);
  });

  test("exports' way to Expand, -1 for what stays: gone where nothing grows, kept where something may", () => {
    for (const [x, grows] of [[["batch", "length"], false], [["batch", 1], true]] as const) {
      const { node, initializer } = asked("like", [[0], [1]], "wish");
      const graph = graphOf({
        input: [tensorInfo("like", 1, [...x].map((size) => (size === 1 ? "length" : size))), tensorInfo("x", 1, x)], output: [tensorInfo("y", 1, ["a", "b"])], initializer: [...initializer, integers("minus", [-1]), integers("two", [2])],
        node: [
          newNode("Identity", ["like"], ["same"]), ...node, newNode("ConstantOfShape", ["two"], ["ones"], [attribute("value", { t: integers("", [1]) })]), newNode("Mul", ["ones", "minus"], ["minuses"]),
          newNode("Equal", ["wish", "minuses"], ["stays"]), newNode("Where", ["stays", "ones", "wish"], ["to"]), newNode("Expand", [grows ? "x" : "same", "to"], ["wide"]), newNode("Relu", ["wide"], ["y"]),
        ],
      });
      foldShapes(graph);
      expect(ops(graph)).toEqual(grows ? ["Shape", "Expand", "Relu"] : ["Identity", "Relu"]);
      if (grows) expect(graph.node[1]?.input).toEqual(["x", "wish.shape"]);
    }
  });

  test("an output keeps its name, in a branch too; a branch takes what was found outside", () => {
    const [outside, inside] = [asked("x", [[0], -1], "a"), asked("x", [[0], -1], "b")];
    const body = (name: string) => graphOf({ name, output: [tensorInfo(name, 7, [2])], initializer: inside.initializer, node: [...inside.node, newNode("Identity", ["b"], [name])] });
    const graph = graphOf({
      input: [tensorInfo("x", 1, ["batch", 96]), tensorInfo("which", 9, [])], output: [tensorInfo("y", 7, [2]), tensorInfo("a", 7, [2])], initializer: outside.initializer,
      node: [...outside.node, newNode("If", ["which"], ["y"], [attribute("then_branch", { g: body("then") }), attribute("else_branch", { g: body("else") })])],
    });
    foldShapes(graph);
    expect(graph.node.map(({ output }) => output[0])).toContain("a");
    for (const { graph: branch } of graph.node.flatMap(bodiesOf)) {
      expect(branch.node.map(({ opType, input }) => [opType, input])).toEqual([["Identity", ["a"]]]);
      expect(branch.node[0]?.output).toEqual([branch.output[0]?.name]);
    }
  });

  test("a table is no shape, and a graph without shapes is left as it is", () => {
    const table = integers("table", Array.from({ length: 100 }, (_, i) => i));
    const graph = graphOf({ input: [tensorInfo("x", 7, ["n"])], output: [tensorInfo("y", 7, ["n"])], initializer: [table], node: [newNode("Gather", ["table", "x"], ["y"])] });
    expect(foldShapes(graph)).toBe(false);
    expect(graph.initializer).toEqual([table]);
  });
});
