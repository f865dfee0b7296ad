import { Tensor } from "onnxruntime-web/webgpu";
import { expect, test } from "vitest";
import { foldShapes } from "../../src/checkpoint/onnx/folding.ts";
import { decodeModel, encodeModel } from "../../src/checkpoint/onnx/proto.ts";
import { quicken } from "../../src/checkpoint/onnx/quicken.ts";
import { readOnnx } from "../../src/checkpoint/onnx/read.ts";
import { cpuTensor, idTensor, Runtime, type Feeds, type RuntimeSession } from "../../src/fitness/runtime.ts";
import { theGpu } from "../kernels/gpu.ts";
import { align } from "../../src/space/align/align.ts";

async function lifted() {
  const files = await Promise.all(
    ["base", "digits"].map(async (id) => {
      const answer = await fetch(`/zoo/glyphs/${id}/onnx/model.onnx`);
      return { id, ...readOnnx(new Uint8Array(await answer.arrayBuffer()), { name: id }) };
    }),
  );
  const alignment = align(files.map(({ id, skeleton }) => ({ id, skeleton, config: null })), { baseId: "base" });
  const expert = files[1]!;
  const feeds: Feeds = {};
  alignment.segments.forEach(({ inputs, weight }, i) => {
    for (const input of inputs) feeds[input] = cpuTensor(expert.tensor(weight.digits!), alignment.space.segments[i]!.shape);
  });
  for (const { input, of } of alignment.heads) feeds[input] = cpuTensor(expert.tensor(of.digits!.weight), of.digits!.shape);
  feeds.pixel_values = cpuTensor(Float32Array.from({ length: 6 * 784 }, (_, i) => Math.sin(i * i * 0.01)), [6, 1, 28, 28]);
  return { graph: alignment.graph, feeds };
}

// WebGPU first: the build that knows it does for both, the other does not.
test.each(["webgpu", "wasm"] as const)("the runtime is warmed up with a graph it takes, %s", async (provider) => {
  const gpu = await theGpu();
  const runtime = new Runtime({ provider, threads: 1, ...(provider === "webgpu" ? { device: gpu.device } : {}) });
  await expect(runtime.warmUp()).resolves.toBeUndefined(); // rejects where the graph is refused
});

test("a quickened graph answers as the lifted one does, with one op an attention and one row in the last layer", async () => {
  const { graph, feeds } = await lifted();
  const quick = quicken(graph);
  const runtime = new Runtime({ provider: "wasm", threads: 1 });
  const [plain, fast] = [await runtime.session(graph, "the graph"), await runtime.session(quick, "the quick graph")];
  const [a, b] = [(await plain.run(feeds)).logits!.data as Float32Array, (await fast.run(feeds)).logits!.data as Float32Array];
  expect(a.length).toBe(60);
  // Sums of 80 and 320 products in another order: some units in the last place of logits around 5.
  a.forEach((value, i) => expect(Math.abs(value - b[i]!)).toBeLessThan(1e-5));
  expect(new Set(a).size).toBeGreaterThan(50);

  const { node } = decodeModel(quick, "quick").graph!;
  const count = (opType: string) => node.filter((one) => one.opType === opType).length;
  expect(count("MultiHeadAttention")).toBe(4);
  expect(count("Softmax")).toBe(0);
  const rows = node.filter((one) => one.opType === "Gather" && one.output[0]?.includes(".row0"));
  expect(rows.length).toBe(2); // the last attention's query and its residual
  await plain.release();
  await fast.release();
});

/** Inputs of a graph that writes, by what exports call them. */
function written(session: RuntimeSession, { rows, read, before, encoded, cached }: Record<"rows" | "read" | "before" | "encoded", number> & { cached: boolean }): Feeds {
  const ids = (length: number) => BigInt64Array.from({ length: rows * length }, (_, i) => BigInt((i * 7) % 60) + 3n);
  const size = (axis: number | string) => (typeof axis === "number" ? axis : /batch/.test(axis) ? rows : /encoder/.test(axis) ? encoded : before);
  return Object.fromEntries((session.inputMetadata as readonly { name: string; shape: readonly (number | string)[] }[]).flatMap(({ name, shape }) => {
    if (name === "use_cache_branch") return [[name, new Tensor("bool", [cached], [1])]];
    if (name === "encoder_attention_mask" || name === "attention_mask") {
      const length = name === "attention_mask" && !session.inputNames.includes("position_ids") ? read : name === "attention_mask" ? before + read : encoded;
      return [[name, idTensor(new BigInt64Array(rows * length).fill(1n), [rows, length])]];
    }
    if (name === "input_ids") return [[name, idTensor(ids(read), [rows, read])]];
    if (name === "position_ids") return [[name, idTensor(BigInt64Array.from({ length: rows * read }, (_, i) => BigInt(before + (i % read))), [rows, read])]];
    if (name === "num_logits_to_keep") return [[name, idTensor(BigInt64Array.of(0n), [])]];
    if (!/^past_key_values|^encoder_hidden_states/.test(name)) return [];
    const dims = shape.map(size);
    return [[name, cpuTensor(Float32Array.from({ length: dims.reduce((a, b) => a * b) }, (_, i) => Math.sin(i * 1.7)), dims)]];
  }));
}

test.each([["words/sounds", "encoder_model"], ["words/sounds", "decoder_model_merged"], ["riddles/odd", "model"]])("shapes that are known are no longer computed, and %s/%s says the same whatever its inputs' sizes", { timeout: 60_000 }, async (folder, name) => {
  const bytes = new Uint8Array(await (await fetch(`/zoo/${folder}/onnx/${name}.onnx`)).arrayBuffer());
  const model = decodeModel(bytes, name);
  expect(foldShapes(model.graph!)).toBe(true);
  const runtime = new Runtime({ provider: "wasm", threads: 1 });
  const [plain, folded] = [await runtime.session(bytes, name), await runtime.session(encodeModel(model), `${name}, folded`)];
  const sizes = [{ rows: 2, read: 5, before: 0, encoded: 4 }, { rows: 1, read: 1, before: 0, encoded: 1 }, { rows: 3, read: 1, before: 6, encoded: 9 }, { rows: 5, read: 3, before: 3, encoded: 3 }];
  for (const one of sizes) {
    const feeds = written(plain, { ...one, cached: one.before > 0 });
    const [a, b] = [await plain.run(feeds), await folded.run(feeds)];
    expect(Object.keys(b)).toEqual(Object.keys(a));
    for (const [output, tensor] of Object.entries(a)) {
      expect(b[output]?.dims, output).toEqual(tensor.dims);
      const [x, y] = [tensor.data as Float32Array, b[output]?.data as Float32Array];
      x.forEach((value, i) => expect(Math.abs(value - y[i]!), `${output}[${i}]`).toBeLessThan(1e-5));
      expect(x.every(Number.isFinite)).toBe(true);
    }
  }
  await plain.release();
  await folded.release();
});
