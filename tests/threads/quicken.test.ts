import { expect, test } from "vitest";
import { decodeModel } from "../../src/checkpoint/onnx/proto.ts";
import { quicken } from "../../src/checkpoint/onnx/quicken.ts";
import { readOnnx } from "../../src/checkpoint/onnx/read.ts";
import { cpuTensor, Runtime, type Feeds } from "../../src/fitness/runtime.ts";
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
