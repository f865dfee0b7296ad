import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeModel, encodeModel, type ModelProto } from "../../src/checkpoint/onnx/proto.ts";
import { externalPaths, readOnnx } from "../../src/checkpoint/onnx/read.ts";
import { isLabError, type LabError } from "../../src/lib/error.ts";
import { align } from "../../src/space/align/align.ts";
import { bytesOf, expected, inputOf, read } from "../fixtures/onnx/load.ts";

const names = Object.keys(expected).filter((name) => name !== "quantised");
const ascii = (text: string) => new TextEncoder().encode(text);

function refusal(bytes: Uint8Array, external?: (path: string) => Uint8Array): LabError {
  try {
    readOnnx(bytes, { name: "bad.onnx", ...(external ? { external } : {}) });
  } catch (error) {
    if (isLabError(error)) return error;
    throw error;
  }
  throw new Error("was not refused");
}

/** Varint, field and message by hand: what an attacker writes. */
const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) + 128, ...varint(Math.floor(n / 128))]);
const field = (number: number, content: readonly number[]): number[] => [...varint(number * 8 + 2), ...varint(content.length), ...content];
const number = (no: number, value: number): number[] => [...varint(no * 8), ...varint(value)];
const opset = field(8, number(2, 17));
const output = field(12, field(1, [...ascii("y")]));
const modelOf = (graph: readonly number[]) => Uint8Array.from([...number(1, 8), ...field(7, [...graph, ...output]), ...opset]);
const tensorOf = (...parts: number[][]) => modelOf(field(5, [...field(8, [...ascii("w")]), ...number(2, 1), ...parts.flat()]));

describe("reading", () => {
  test.for(names)("%s: what is decoded and encoded again means the same", (name) => {
    const bytes = bytesOf(`${name}.onnx`);
    const once = encodeModel(decodeModel(bytes, name));
    expect(once.length).toBe(bytes.length);
    expect(encodeModel(decodeModel(once, name))).toEqual(once);
  });

  test("fields of tomorrow survive", () => {
    const bytes = Uint8Array.from([...modelOf([]), ...field(99, [1, 2, 3])]);
    expect([...encodeModel(decodeModel(bytes, "new"))].join()).toContain([1, 2, 3].join());
  });

  test("weights: floats of rank 1 and more, wherever they are; scalars and integers stay", () => {
    expect(read("constants").skeleton.weights.map((weight) => weight.name)).toEqual(read("ir3").skeleton.weights.map((weight) => weight.name));
    expect(read("branch").skeleton.weights.map((w) => [w.name, w.shape.join("×")])).toEqual([
      ["in.weight", "4×4"], ["outer.weight", "4×4"], ["outer.bias", "4"], ["outer.row", "1×4"], ["eb", "4"], ["tw", "4×4"], ["lw", "4×4"], ["rw", "1×4"],
    ]);
  });

  test("halves, typed data and external data are the same numbers", () => {
    const half = read("half").skeleton.weights[0];
    expect(half?.dtype).toBe("float16");
    for (const name of ["renamed", "external", "half", "tied"]) {
      const file = read(name);
      for (const weight of file.skeleton.weights) {
        const values = file.tensor(weight.id);
        expect(values).toHaveLength(weight.length);
        expect(values.every(Number.isFinite)).toBe(true);
      }
    }
    expect(read("external").tensor(3)).not.toEqual(read("external").tensor(2));
  });

  test("the skeleton holds no weights and has the same ids", () => {
    for (const name of names) {
      const { skeleton } = read(name);
      const again = readIds(skeleton.bytes);
      expect(again).toEqual(skeleton.weights.map((weight) => weight.name));
      expect(structuredClone(skeleton)).toEqual(skeleton);
    }
  });

  test("external files are known before they are read", () => {
    expect(externalPaths(bytesOf("external.onnx"), "external.onnx")).toEqual(["external.onnx_data"]);
  });
});

/** Names of the weights of a skeleton, found as alignment finds them. */
const readIds = (bytes: Uint8Array): string[] => {
  const found = decodeModel(bytes, "skeleton") as ModelProto;
  const walked: string[] = [];
  const walk = (graph: NonNullable<ModelProto["graph"]>): void => {
    for (const t of graph.initializer) if (t.dims.length && [1, 10].includes(Number(t.dataType))) walked.push(t.name ?? "");
    for (const node of graph.node) {
      const t = node.opType === "Constant" ? node.attribute[0]?.t : undefined;
      if (t && t.dims.length && Number(t.dataType) === 1) walked.push(node.output[0] ?? "");
      for (const a of node.attribute) if (a.g) walk(a.g);
    }
  };
  if (found.graph) walk(found.graph);
  return walked;
};

describe("hostile and broken files are refused with the reason", () => {
  test.for([
    ["empty", new Uint8Array(), /is empty/],
    ["a web page", ascii("<!doctype html><title>x"), /web page/],
    ["a Git LFS pointer", ascii("version https://git-lfs.github.com/spec/v1\noid sha256:00"), /Git LFS/],
    ["safetensors", Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 0, ...ascii('{"a":{}}')]), /safetensors/],
    ["a ZIP", Uint8Array.from([...ascii("PK"), 3, 4, 0, 0]), /ZIP/],
    ["noise", Uint8Array.from({ length: 500 }, (_, i) => (i * 7919 + 13) % 251), /bad\.onnx/],
    ["a graph without outputs", Uint8Array.from([...field(7, []), ...opset]), /no graph with outputs/],
    ["a length past the end", Uint8Array.from([...varint(7 * 8 + 2), ...varint(2 ** 40), 1, 2]), /says it has/],
    ["an endless number", Uint8Array.from([8, ...Array<number>(11).fill(255), 1]), /ten bytes/],
    ["a group, long forbidden", Uint8Array.from([11, 12]), /wire type/],
    ["a negative dimension", tensorOf([8, ...Array<number>(9).fill(255), 1]), /impossible shape/],
    ["2⁶² elements", tensorOf(number(1, 2 ** 31), number(1, 2 ** 31)), /impossible shape/],
    ["a thousand dimensions", tensorOf(...Array.from({ length: 1000 }, () => number(1, 1))), /1000 dimensions/],
    ["fewer bytes than the shape needs", tensorOf(number(1, 100), field(9, [1, 2, 3, 4])), /needs 400 bytes but has 4/],
    ["names that are not text", modelOf(field(5, field(8, [0xff, 0xfe]))), /UTF-8/],
  ] as const)("%s", ([, bytes, message]) => {
    const error = refusal(bytes);
    expect(error.code).toBe("bad-onnx");
    expect(error.message).toMatch(message);
    expect(error.message).toContain("bad.onnx");
  });

  test("bodies in bodies in bodies: no stack overflow", () => {
    let graph: number[] = output;
    for (let depth = 0; depth < 300; depth++) graph = field(1, field(5, field(6, graph)));
    expect(refusal(modelOf(graph)).message).toMatch(/nested more than 64 deep/);
  });

  test("millions of empty nodes are not built", () => {
    const graph = new Uint8Array(3_000_000);
    for (let i = 0; i < 3_000_000; i += 2) graph[i] = 10;
    const head = [...varint(7 * 8 + 2), ...varint(graph.length)];
    expect(refusal(concat(Uint8Array.from(head), graph)).message).toMatch(/more than 8000000 values/);
  });

  test.for(["/etc/passwd", "../secret", "a/../../b", "C:\\x", "\\\\host\\x", "https://x.test/w", "..\\up", ""])("external data at %o", (location) => {
    const pair = (key: string, value: string) => field(13, [...field(1, [...ascii(key)]), ...field(2, [...ascii(value)])]);
    const error = refusal(tensorOf(number(1, 4), pair("location", location), number(14, 1)), () => new Uint8Array(16));
    expect(error.message).toMatch(/outside the model's own folder/);
  });

  test.for([["8", "16"], ["99999999999999999999", "16"], ["-4", "16"], ["0", "15"]])("external data at offset %s, length %s", ([offset, length]) => {
    const pair = (key: string, value: string) => field(13, [...field(1, [...ascii(key)]), ...field(2, [...ascii(value)])]);
    const bytes = tensorOf(number(1, 4), pair("location", "d"), pair("offset", offset as string), pair("length", length as string), number(14, 1));
    expect(refusal(bytes, () => new Uint8Array(16)).code).toBe("bad-onnx");
  });

  test("external data that is missing", () => {
    expect(refusal(bytesOf("external.onnx"))).toMatchObject({ code: "not-found", message: expect.stringContaining("external.onnx_data") as string });
  });

  test("quantised: why, and which file to take", () => {
    const error = refusal(bytesOf("quantised.onnx"));
    expect(error.code).toBe("unsupported-onnx");
    expect(error.message).toMatch(/DynamicQuantizeLinear.*onnx\/model\.onnx/);
  });

  test("values made from themselves, or twice, end in a sentence", () => {
    const node = (op: string, input: string, out: string) => field(1, [...field(1, [...ascii(input)]), ...field(2, [...ascii(out)]), ...field(4, [...ascii(op)])]);
    const loop = (graph: number[]) => () => align([inputOf("a", readOnnx(modelOf(graph), { name: "a" }))], { baseId: "a" });
    expect(loop([...node("Identity", "x", "y"), ...node("Identity", "y", "x")])).toThrow(/made from itself/);
    expect(loop([...node("Relu", "x", "y"), ...node("Relu", "y", "y")])).toThrow(/two nodes make/);
    expect(loop(node("Relu", "nowhere", "y"))).toThrow(/which nothing makes/);
  });
});

const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  const out = new Uint8Array(a.length + b.length);
  out.set(a);
  out.set(b, a.length);
  return out;
};

/** Reads, aligns with itself and takes every weight out: nothing but a LabError may come of bad bytes. */
function swallow(bytes: Uint8Array): void {
  try {
    const file = readOnnx(bytes, { name: "fuzz.onnx", external: () => new Uint8Array(600) });
    for (const { id } of file.skeleton.weights) file.tensor(id);
    align([inputOf("a", file), inputOf("b", file)], { baseId: "a" });
  } catch (error) {
    if (!isLabError(error) || error.code === "internal") throw error;
  }
}

test("flipped bytes and cut files never do more than be refused", () => {
  const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 });
  const file = fc.constantFrom("base", "renamed", "half", "branch", "tied", "external", "computes-in-halves");
  fc.assert(
    fc.property(file, flips, fc.option(fc.double({ min: 0, max: 1, noNaN: true })), (name, changes, cut) => {
      const bytes = bytesOf(`${name}.onnx`);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      swallow(cut === null ? bytes : bytes.subarray(0, Math.floor(bytes.length * cut)));
    }),
    { seed: 1, numRuns: 3000 },
  );
});
