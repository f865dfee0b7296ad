/** Every method on the GPU against the CPU: the same elements selected, numbers within a few roundings. */
import { describe, expect, test } from "vitest";
import { CpuExecutor } from "../../src/methods/executor.cpu.ts";
import { GpuExecutor } from "../../src/methods/executor.gpu.ts";
import type { Executor } from "../../src/methods/executor.ts";
import { mergeTensor } from "../../src/methods/merge.ts";
import { arithmetic } from "../../src/methods/arithmetic.ts";
import { settle } from "../../src/methods/check.ts";
import { modelsOf } from "../../src/methods/method.ts";
import { cutsOf } from "../../src/methods/sparsify/cuts.ts";
import type { Dtype, Merged, TensorJob } from "../../src/methods/types.ts";
import { SAMPLED_OF, TILE } from "../../src/methods/wgsl/formula.ts";
import { cases, inputsOf, jobOf, sourceOf } from "../fixtures/methods/jobs.ts";
import { theGpu } from "./gpu.ts";

const product = (shape: readonly number[]) => shape.reduce((all, side) => all * side, 1);
const cpu = new CpuExecutor();

async function merged(executor: Executor, job: TensorJob, inputs: readonly Float32Array[], chunkElements?: number): Promise<Merged & { values: Float32Array }> {
  const values = new Float32Array(product(job.shape));
  let next = 0;
  const result = await mergeTensor(job, sourceOf(inputs), (from, chunk) => {
    expect(from).toBe(next);
    next = from + chunk.length;
    values.set(chunk, from);
  }, { executor, chunkElements });
  expect(next).toBe(values.length);
  return { ...result, values };
}

/**
 * Numbers that follow from sums differ in their last bits, and so does what a division gives; then dtype rounds, at most to its neighbour. In
 * float16, whose steps are near those of a sum, such a number may be its own neighbour before: two steps.
 */
const slack: Record<Dtype, number> = { float32: 2e-6, bfloat16: 2 ** -7, float16: 2 ** -9 };

function expectAgree(got: Float32Array, wanted: Float32Array, dtype: Dtype): void {
  const off = [...got.keys()].filter((i) => !(Math.abs(got[i]! - wanted[i]!) <= slack[dtype] * Math.max(dtype === "float32" ? 1 : 2 ** -14, Math.abs(wanted[i]!)) * 1.001));
  expect(off.map((i) => `${i}: ${got[i]} instead of ${wanted[i]}`).slice(0, 5), `${off.length} of ${got.length}`).toEqual([]);
}

// 7 × 29: odd sides; 3 × 5 × 4: three dimensions; 41 × 101: past a tile of 4,096, rows that are no multiple of it.
const shapes = [[7, 29], [3, 5, 4], [41, 101]];

// karcher's ten steps in a 16-bit arithmetic nest thousands of operations, half a minute of compiling in software: two steps say as much.
const casesFor = (dtype: Dtype) => cases.filter(({ method, parameters }) => dtype === "float32" || method !== "karcher" || parameters?.["max_iter"] === 2);

describe.each(["float32", "bfloat16", "float16"] as const)("%s", (dtype) => {
  test.each(casesFor(dtype))("$name", async (one) => {
    const gpu = new GpuExecutor(await theGpu());
    for (const shape of shapes) {
      const job = jobOf(one, shape, dtype);
      const inputs = inputsOf(one, product(shape), dtype);
      const [got, wanted] = [await merged(gpu, job, inputs), await merged(cpu, job, inputs)];
      expectAgree(got.values, wanted.values, dtype);
      expect(got.warnings.map(({ code }) => code)).toEqual(wanted.warnings.map(({ code }) => code));
    }
    gpu.destroy();
  });
});

describe("chunks", () => {
  // 40 × 300: rows that are no multiple of a tile, several chunks of one tile; 3 × 5,000: a row longer than a chunk.
  test.each([[40, 300], [3, 5000]])("%i × %i: the bits are those of a tensor kept whole", async (...shape) => {
    const gpu = await theGpu();
    const [whole, cut] = [new GpuExecutor(gpu), new GpuExecutor(gpu, { budgetBytes: 0 })];
    const methods = new Set(["ties", "dare_ties", "della", "breadcrumbs", "slerp", "nuslerp", "model_stock", "sce", "arcee_fusion"]);
    for (const one of cases.filter(({ method }) => methods.has(method))) {
      const job = jobOf(one, shape);
      const inputs = inputsOf(one, product(shape));
      const [a, b] = [await merged(whole, job, inputs), await merged(cut, job, inputs, TILE)];
      const bits = (values: Float32Array) => new Uint32Array(values.buffer);
      expect(bits(b.values), one.name).toEqual(bits(a.values));
    }
    whole.destroy();
    cut.destroy();
  });

  test("no buffer is left behind, nor by a merge that was stopped", async () => {
    const gpu = await theGpu();
    const executor = new GpuExecutor(gpu);
    const before = gpu.ledger.bytes;
    const stop = new AbortController();
    const job = jobOf(cases.find(({ method }) => method === "ties")!, [64, 64]);
    const inputs = inputsOf(cases.find(({ method }) => method === "ties")!, 64 * 64);
    const running = mergeTensor(job, sourceOf(inputs), () => stop.abort(), { executor, signal: stop.signal });
    await expect(running).rejects.toMatchObject({ code: "cancelled" });
    await merged(executor, job, inputs);
    executor.destroy();
    expect(gpu.ledger.bytes).toBe(before);
  });
});

describe("selections guessed from a sample", () => {
  // The first size that is sampled, and what is left behind the last four; two thirds of each change are 0, then all that a sample sees.
  const length = 2 ** 20 + 4 * 4096 + 3;
  const ties = cases.find(({ method }) => method === "ties")!;

  test.each(["float32", "bfloat16"] as const)("%s: the cuts are those of a count, also where the sample misleads", async (dtype) => {
    const gpu = new GpuExecutor(await theGpu());
    const plain = inputsOf(ties, length, dtype);
    const misleading = [plain[0]!, ...plain.slice(1).map((values) => values.map((value, i) => (i % SAMPLED_OF < 256 ? plain[0]![i]! : value)))];
    for (const inputs of [plain, misleading]) {
      const job = jobOf(ties, [length], dtype);
      const { models } = modelsOf(job, settle(job), arithmetic(dtype));
      const keep = [[length >> 3, length >> 5], [1, length], [0, Math.floor(0.61 * length)]];
      const cuts = async (executor: Executor) => {
        const passes = await executor.open({ name: job.name, shape: job.shape, inputs: job.inputs.length }, sourceOf(inputs), {});
        const found = await cutsOf(passes, models.map(({ delta }, i) => ({ of: delta, keep: keep[i]! })));
        passes.close();
        return found;
      };
      expect(await cuts(gpu)).toEqual(await cuts(cpu));
    }
    gpu.destroy();
  });
});
