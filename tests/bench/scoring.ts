/**
 * Figures of scoring, on a bundled model: lifted weights against constant ones, and a candidate made ready against a new file
 * and a new session. What is compared takes turns; medians; finished work.
 */
import { quicken } from "../../src/checkpoint/onnx/quicken.ts";
import { readOnnx } from "../../src/checkpoint/onnx/read.ts";
import { bake, fillsOf } from "../../src/export/bake.ts";
import { cpuTensor, gpuTensor, Runtime, type Feeds, type Provider } from "../../src/fitness/runtime.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { align } from "../../src/space/align/align.ts";
import { openBasis } from "../../src/space/basis.ts";
import type { BenchRow } from "./kernels.ts";

/** The bundled family's own. */
const BATCH = 150;

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

async function fetched(url: URL): Promise<Uint8Array> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url.href} answered ${answer.status}.`);
  return new Uint8Array(await answer.arrayBuffer());
}

/** The base and one expert of the bundled family, aligned. */
async function family(assets: URL) {
  const [base, expert] = await Promise.all(["base", "digits"].map((name) => fetched(new URL(`zoo/glyphs/${name}/onnx/model.onnx`, assets))));
  if (!base || !expert) throw new Error("Two models are needed.");
  const files = [readOnnx(base, { name: "base" }), readOnnx(expert, { name: "digits" })];
  const ids = ["base", "digits"];
  const alignment = align(files.map(({ skeleton }, i) => ({ id: ids[i] ?? "", skeleton, config: null })), { baseId: "base" });
  const tensors = (model: number) => alignment.segments.map(({ weight }) => files[model]?.tensor(weight[ids[model] ?? ""] ?? 0) ?? new Float32Array());
  const heads = alignment.heads.map(({ of }) => files[1]?.tensor(of.digits?.weight ?? 0) ?? new Float32Array());
  return { expert, alignment, weights: tensors(1), baseWeights: tensors(0), heads };
}

/** A tensor of weights where the provider looks for them. */
function binding(provider: Provider, gpu: Gpu) {
  return (data: Float32Array, shape: readonly number[]) => {
    if (provider === "wasm") return cpuTensor(data, shape);
    const buffer = gpu.buffer("weight", data.byteLength, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    gpu.device.queue.writeBuffer(buffer, 0, data as Float32Array<ArrayBuffer>);
    return gpuTensor(buffer, shape);
  };
}

/** Time of a run with weights as inputs over that of a run with weights as constants; the very same numbers in. */
export async function benchScoring(provider: Provider, gpu: Gpu, assets: URL, batch: number, runs: number): Promise<BenchRow[]> {
  const { expert, alignment, weights, heads } = await family(assets);
  const runtime = new Runtime({ provider, threads: Math.min(8, navigator.hardwareConcurrency), ...(provider === "webgpu" ? { device: gpu.device } : {}) });
  const constant = await runtime.session(expert, "the expert as it is");
  const lifted = await runtime.session(alignment.graph, "the lifted graph");

  const bind = binding(provider, gpu);
  const feeds: Feeds = {};
  alignment.segments.forEach(({ inputs }, i) => {
    const segment = alignment.space.segments[i];
    for (const input of inputs) feeds[input] = bind(weights[i] ?? new Float32Array(), segment?.shape ?? []);
  });
  alignment.heads.forEach(({ input, of }, i) => (feeds[input] = bind(heads[i] ?? new Float32Array(), of.digits?.shape ?? [])));

  const image = alignment.inputs[0];
  if (!image) throw new Error("The graph takes no image.");
  const shape = [batch, ...image.shape.slice(1).map((size) => (typeof size === "number" ? size : 28))];
  shape[1] = typeof image.shape[1] === "number" ? image.shape[1] : 1;
  const pixels = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.sin(i * 0.01));
  const input = { [image.name]: cpuTensor(pixels, shape) };

  const times: { constant: number[]; lifted: number[] } = { constant: [], lifted: [] };
  let difference = 0;
  for (let round = 0; round <= runs; round++) {
    const begin = performance.now();
    const a = Object.values(await constant.run(input))[0];
    const middle = performance.now();
    const b = Object.values(await lifted.run({ ...input, ...feeds }))[0];
    const end = performance.now();
    if (round > 0) {
      times.constant.push(middle - begin);
      times.lifted.push(end - middle);
    }
    const [left, right] = [(await a?.getData()) as Float32Array, (await b?.getData()) as Float32Array];
    difference = Math.max(difference, ...left.map((value, i) => Math.abs(value - (right[i] ?? Number.NaN))));
    a?.dispose();
    b?.dispose();
  }
  await constant.release();
  await lifted.release();
  const [constantMs, liftedMs] = [median(times.constant), median(times.lifted)];
  return [
    {
      name: `scoring with lifted ÷ constant weights, glyphs, ${provider}`,
      value: liftedMs / constantMs,
      unit: "×",
      goal: { atMost: provider === "wasm" ? 1.15 : 1.05 },
      details: { liftedMs, constantMs, batch, threads: runtime.threads, largestDifference: difference },
    },
  ];
}

/** The graph that scores (attention fused, rows nothing reads left out) against the lifted graph as it is. */
export async function benchQuick(provider: Provider, gpu: Gpu, assets: URL, batch = 150, runs = 15): Promise<BenchRow[]> {
  const { alignment, weights, heads } = await family(assets);
  const runtime = new Runtime({ provider, threads: Math.min(8, navigator.hardwareConcurrency), ...(provider === "webgpu" ? { device: gpu.device } : {}) });
  const whole = await runtime.session(alignment.graph, "the lifted graph");
  const quick = await runtime.session(quicken(alignment.graph), "the quickened graph");
  const bind = binding(provider, gpu);
  const feeds: Feeds = {};
  alignment.segments.forEach(({ inputs }, i) => {
    for (const input of inputs) feeds[input] = bind(weights[i] ?? new Float32Array(), alignment.space.segments[i]?.shape ?? []);
  });
  alignment.heads.forEach(({ input, of }, i) => (feeds[input] = bind(heads[i] ?? new Float32Array(), of.digits?.shape ?? [])));
  const pixels = Float32Array.from({ length: batch * 784 }, (_, i) => Math.sin(i * 0.01));
  feeds[alignment.inputs[0]?.name ?? ""] = cpuTensor(pixels, [batch, 1, 28, 28]);
  const times = { whole: [] as number[], quick: [] as number[] };
  for (let round = 0; round <= runs; round++) {
    for (const [name, session] of [["whole", whole], ["quick", quick]] as const) {
      const begin = performance.now();
      for (const output of Object.values(await session.run(feeds))) output.dispose();
      if (round > 0) times[name].push(performance.now() - begin);
    }
  }
  await whole.release();
  await quick.release();
  const [wholeMs, quickMs] = [median(times.whole), median(times.quick)];
  const details = { wholeMs, quickMs, batch, threads: runtime.threads, imageMs: quickMs / batch };
  return [{ name: `scoring with the quickened ÷ the lifted graph, glyphs, ${provider}`, value: quickMs / wholeMs, unit: "×", goal: null, details }];
}

/** From coefficients to weights that can be scored, against what it replaces: a new ONNX file and a new session. */
export async function benchCandidate(provider: Provider, gpu: Gpu, assets: URL, rounds = 15): Promise<BenchRow[]> {
  const { alignment, weights, baseWeights, heads } = await family(assets);
  const runtime = new Runtime({ provider, threads: Math.min(8, navigator.hardwareConcurrency), ...(provider === "webgpu" ? { device: gpu.device } : {}) });
  const basis = openBasis(alignment.space, [{ kind: "base", id: "base" }, { kind: "dense", id: "digits", precision: "f32" }], { device: gpu });
  alignment.space.segments.forEach((_, i) => basis.put(i, baseWeights[i] ?? new Float32Array(), [weights[i] ?? new Float32Array()]));
  await basis.seal();
  const slot = basis.openSlot(provider === "webgpu" ? "gpu" : "cpu");
  const scoring = await runtime.session(quicken(alignment.graph), "the graph");
  const feeds: Feeds = {};
  alignment.heads.forEach(({ input, of }, i) => (feeds[input] = cpuTensor(heads[i] ?? new Float32Array(), of.digits?.shape ?? [])));
  feeds[alignment.inputs[0]?.name ?? ""] = cpuTensor(new Float32Array(BATCH * 784), [BATCH, 1, 28, 28]);
  const score = async () => {
    alignment.segments.forEach(({ inputs }, i) => {
      const { shape = [] } = alignment.space.segments[i] ?? {};
      for (const input of inputs) feeds[input] = provider === "wasm" ? cpuTensor(slot.arrays[i] ?? new Float32Array(), shape) : gpuTensor(slot.buffers[i] as GPUBuffer, shape);
    });
    for (const output of Object.values(await scoring.run(feeds))) output.dispose();
    await new Promise((resolve) => setTimeout(resolve)); // the engine lets messages in after each batch
  };
  const times: { slot: number[]; idle: number[]; file: number[] } = { slot: [], idle: [], file: [] };
  for (let round = 0; round <= rounds; round++) {
    const begin = performance.now();
    // The weights are there already: only what the file and the session cost is counted.
    const { model } = bake(alignment, fillsOf(alignment, weights, { model: "digits", tensors: heads }), { dtype: "float32" });
    const session = await runtime.session(model, "a new file");
    const fileMs = performance.now() - begin;
    await session.release();
    const candidate = (n: number) => Float64Array.of(1, (round + n / 2) / rounds);
    const wait = async (n: number) => {
      const from = performance.now();
      await slot.materialise(candidate(n));
      if (provider === "webgpu") await gpu.finished();
      return performance.now() - from;
    };
    const idleMs = await wait(0);
    // As in a search: the next candidate is begun, this one is scored, the next one is asked for.
    slot.ahead?.(candidate(1));
    await score();
    await score();
    const slotMs = await wait(1);
    if (round === 0) continue;
    times.file.push(fileMs);
    times.idle.push(idleMs);
    times.slot.push(slotMs);
  }
  await scoring.release();
  slot.destroy();
  basis.destroy();
  const [slotMs, idleMs, fileMs] = [median(times.slot), median(times.idle), median(times.file)];
  return [
    {
      name: `candidate ready to score, within a search, against a new file and session, ${provider}`,
      value: fileMs / slotMs,
      unit: "× faster",
      goal: { atLeast: 20 },
      details: { candidateMs: slotMs, fileAndSessionMs: fileMs, elements: alignment.space.length },
    },
    {
      name: `candidate ready to score, nothing begun ahead, against a new file and session, ${provider}`,
      value: fileMs / idleMs,
      unit: "× faster",
      goal: null,
      details: { candidateMs: idleMs, fileAndSessionMs: fileMs },
    },
  ];
}
