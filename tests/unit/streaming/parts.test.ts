/** What a merge of folders is made of: units and their order, memory, windows, threads, progress, warnings. */
import { expect, test } from "vitest";
import { layOut } from "../../../src/checkpoint/safetensors/layout.ts";
import { bytesSource } from "../../../src/checkpoint/safetensors/source.ts";
import type { MergePlan, MergedTensor } from "../../../src/recipe/plan/types.ts";
import { Buffers, copying } from "../../../src/streaming/places.ts";
import { inPool } from "../../../src/streaming/pool.ts";
import { Progress } from "../../../src/streaming/progress.ts";
import { OutputRun } from "../../../src/streaming/run.ts";
import { budgetOf, unitsOf } from "../../../src/streaming/units.ts";
import { gather } from "../../../src/methods/warnings.ts";
import { Windows } from "../../../src/streaming/windows.ts";
import type { LabEvent } from "../../../src/threads/events.ts";

const MIB = 2 ** 20;
const models = [0, 1, 2];

/** Three bfloat16 inputs a tensor. */
function planOf(tensors: readonly (readonly [name: string, elements: number])[]): MergePlan {
  const planned = tensors.map(([name, elements]): MergedTensor => ({
    kind: "merge", name, shape: [elements], dtype: "BF16", elements, rows: null,
    inputs: models.map((model) => ({ model, tensor: name, dtype: "BF16", shape: [elements] })),
    job: { method: "linear", name, shape: [elements], seed: 1, base: null, inputs: [], parameters: {} },
  }));
  return { models: [], tensors: planned, parameters: 0, readBytes: 0, writeBytes: 0, donor: "base", config: null, tokenizer: null, tokenizerFrom: "base", warnings: [] };
}

function cut(plan: MergePlan, threads = 2, memory = 512 * MIB) {
  return unitsOf(plan, layOut(plan.tensors), ({ model, shape }) => ({ place: model, offset: 0, bytes: 2 * shape[0]!, dtype: "BF16" }), budgetOf(memory, threads), threads);
}

test("small tensors go together, large ones alone, and what takes longest begins first", () => {
  const units = cut(planOf([["a", 1000], ["b", 1000], ["embedding", 40 * MIB], ["c", 2 * MIB], ["d", 2 * MIB], ["e", 1000]]));
  expect(units.map(({ tensors }) => tensors.map(({ name }) => name))).toEqual([["embedding"], ["a", "b"], ["c"], ["d", "e"]]);
  // Neighbours lie side by side in the file, so their bytes travel together.
  const [, ab] = units;
  expect(ab!.tensors[1]!.at).toBe(ab!.tensors[0]!.at + 2000);
});

test("equal tensors keep the order they lie in", () => {
  const names = Array.from({ length: 9 }, (_, i) => `layer.${i}`);
  expect(cut(planOf(names.map((name) => [name, 4 * MIB]))).flatMap(({ tensors }) => tensors.map(({ name }) => name))).toEqual(names);
});

test.for([1, 2, 4])("buffers of %i threads stay within the budget, a 128k × 2048 embedding included", (threads) => {
  const units = cut(planOf([["embedding", 128_256 * 2048], ...Array.from({ length: 24 }, (_, i) => [`mlp.${i}`, 8192 * 2048] as const)]), threads);
  const budget = budgetOf(512 * MIB, threads);
  expect(units[0]).toMatchObject({ keep: false, tensors: [{ name: "embedding" }] });
  for (const unit of units) expect(unit.heldBytes).toBeLessThanOrEqual(budget.inputBytes);
  // Beside windows: what an executor keeps, its chunks, and two buffers of output.
  expect(threads * (budget.inputBytes + budget.executorBytes + 24 * MIB + 16 * MIB)).toBeLessThanOrEqual(512 * MIB);
  expect(() => budgetOf(threads * 32 * MIB, threads)).toThrow("too little");
});

test("windows give the bytes of any range, kept or read again", async () => {
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
  for (const keep of [true, false]) {
    let read = 0;
    // 64: several windows, and a last one that is shorter; the span begins within the file.
    const windows = new Windows(copying(bytesSource(bytes)), { begin: 10, end: 990, keep }, { buffers: new Buffers(64), onRead: (count) => (read += count) });
    for (let pass = 0; pass < 2; pass++) {
      for (const [begin, end] of [[10, 20], [20, 70], [70, 75], [70, 400], [400, 990], [990, 990]] as const) expect(await windows.read(begin, end)).toEqual(bytes.subarray(begin, end));
    }
    expect(read).toBe(keep ? 980 : 2 * 980);
    windows.close();
  }
});

test("a window that is not needed any more is filled again, not made anew", async () => {
  const buffers = new Buffers(64);
  let made = 0;
  const take = buffers.take.bind(buffers);
  buffers.take = () => {
    const buffer = take();
    if (!seen.has(buffer)) made++;
    seen.add(buffer);
    return buffer;
  };
  const seen = new Set<ArrayBuffer>();
  const windows = new Windows(copying(bytesSource(new Uint8Array(6400))), { begin: 0, end: 6400, keep: false }, { buffers });
  for (let at = 0; at < 6400; at += 16) await windows.read(at, at + 16);
  expect(made).toBeLessThanOrEqual(3); // the one that is read, the next, and one on its way back
});

test("output travels in whole buffers, in order, and no more than two at once", async () => {
  const written: [number, number[]][] = [];
  let underway = 0, most = 0;
  const run = new OutputRun(0, async (_, at, bytes) => {
    most = Math.max(most, ++underway);
    await new Promise((resolve) => setTimeout(resolve, 2));
    written.push([at, [...bytes]]);
    underway--;
    return bytes.buffer;
  }, { bytes: 4 });
  for (let at = 0; at < 10; at += 3) await run.write(100 + at, Uint8Array.of(at, at + 1, at + 2).subarray(0, 10 - at));
  await run.write(200, Uint8Array.of(7));
  await run.finish();
  expect(written).toEqual([[100, [0, 1, 2, 3]], [104, [4, 5, 6, 7]], [108, [8, 9]], [200, [7]]]);
  expect(most).toBe(2);
});

test("threads take pieces as they are free; the first failure ends it and begins nothing more", async () => {
  const begun: string[] = [];
  let last = () => {};
  const three = new Promise<void>((resolve) => (last = resolve));
  await inPool(["long", "a", "b", "c"], 2, async (piece, thread) => {
    begun.push(`${piece} on ${thread}`);
    if (piece === "c") last();
    if (piece === "long") await three; // under way until all others were taken by the other thread
  });
  expect(begun).toEqual(["long on 0", "a on 1", "b on 1", "c on 1"]);
  let after = 0;
  await expect(inPool([1, 2, 3, 4, 5], 2, async (piece) => {
    if (piece === 2) throw new Error("no");
    after++;
    await new Promise((resolve) => setTimeout(resolve, 5));
  })).rejects.toThrow("no");
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(after).toBe(1);
});

test("progress counts input once, however often a method reads it, and says when it will end", () => {
  let now = 0;
  const events: Extract<LabEvent, { type: "merging" }>[] = [];
  const progress = new Progress({ readBytes: 800, writeBytes: 200 }, (event) => event.type === "merging" && events.push(event), () => now);
  progress.begin(0, "first", 400);
  for (; now < 4000; now += 1000) progress.read(0, 400);
  progress.written(0, 100);
  expect(events.at(-1)).toMatchObject({ tensor: "first", share: 0.5, readBytes: 1600, secondsLeft: 4 });
  progress.end(0);
  progress.finish();
  expect(events.at(-1)).toMatchObject({ share: 1, secondsLeft: 0 });
});

test("warnings are told once a kind, with how many tensors; one that is out of scale among its like is named", () => {
  const report = (name: string, norm: number) => ({ name, norm, elements: 100, warnings: [] });
  const layers = [0, 1, 2, 3, 4].map((i) => report(`layers.${i}.up.weight`, i === 3 ? 5000 : 1 + i / 10));
  const same = ["a", "b"].map((name) => ({ ...report(name, 1), warnings: [{ code: "experts-identical" as const, message: `math and code are the same in ${name}.`, tensor: name }] }));
  // A norm of other layers' kind is of another size, and that is no wonder.
  expect(gather([...layers, ...same, report("layers.0.norm.weight", 1e6)])).toEqual([
    expect.objectContaining({ code: "experts-identical", tensors: 2, details: { tensors: ["a", "b"] } }),
    { code: "tensor-out-of-scale", tensors: 1, details: { tensors: ["layers.3.up.weight"] }, message: expect.stringContaining("times larger") },
  ]);
});
