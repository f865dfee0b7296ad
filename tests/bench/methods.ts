/** Figures of merge methods: kernels against a copy kernel, and the CPU's passes in nanoseconds an element. Three models, 16 M elements. */
import type { Gpu } from "../../src/gpu/device.ts";
import { arithmetic } from "../../src/methods/arithmetic.ts";
import { settle } from "../../src/methods/check.ts";
import { CpuExecutor } from "../../src/methods/executor.cpu.ts";
import { GpuExecutor, type GpuPasses } from "../../src/methods/executor.gpu.ts";
import type { Float } from "../../src/methods/expression.ts";
import type { MethodName } from "../../src/methods/fields.ts";
import { mergeTensor, tensorOf } from "../../src/methods/merge.ts";
import { modelsOf } from "../../src/methods/method.ts";
import { cutsOf } from "../../src/methods/sparsify/cuts.ts";
import { methods } from "../../src/methods/table.ts";
import type { TensorJob, TensorSource } from "../../src/methods/types.ts";
import { bandwidthRow, type BenchRow, copier, interleaved } from "./kernels.ts";

const SHAPE = [8192, 2048];
const ELEMENTS = 2 ** 24;
const MODELS = 3;

/** Uniform noise without a period a vector could see; models are 2 % off the base. */
function models(): Float32Array<ArrayBuffer>[] {
  let state = 1;
  const noise = () => {
    const out = new Float32Array(ELEMENTS);
    for (let i = 0; i < ELEMENTS; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      out[i] = state / 2 ** 31;
    }
    return out;
  };
  const base = noise();
  return [base, ...Array.from({ length: MODELS }, () => {
    const change = noise();
    for (let i = 0; i < ELEMENTS; i++) change[i] = (base[i] as number) + 0.02 * (change[i] as number) * (change[i] as number);
    return change;
  })];
}

function jobOf(method: MethodName, own: Record<string, number>, parameters: TensorJob["parameters"] = {}): TensorJob {
  const alone = method === "linear";
  const ids = [...(alone ? [] : ["base"]), "a", "b", "c"];
  return { method, name: "w", shape: SHAPE, seed: 7, base: alone ? null : 0, parameters, inputs: ids.map((id) => ({ id, parameters: id === "base" ? {} : own })) };
}

export async function benchMethods(gpu: Gpu): Promise<BenchRow[]> {
  const inputs = models();
  const source = (job: TensorJob): TensorSource => ({
    read: async (input, from, to, into) => {
      const values = inputs[input + (job.base === null ? 1 : 0)]!.subarray(from, to);
      if (!into) return values;
      into.set(values);
      return into;
    },
  });
  return [...(await onGpu(gpu, source)), ...(await onCpu(source))];
}

async function onGpu(gpu: Gpu, source: (job: TensorJob) => TensorSource): Promise<BenchRow[]> {
  const executor = new GpuExecutor(gpu, { budgetBytes: 2 ** 30 });
  const out = gpu.buffer("merged", 4 * ELEMENTS, 0x80);
  const rows: BenchRow[] = [];
  const measure = async (name: string, bytes: number, goal: BenchRow["goal"], job: () => Promise<unknown>) => {
    const copy = copier(gpu, bytes);
    const ms = await interleaved(gpu, { yard: copy.run, job }, 5);
    rows.push(bandwidthRow(name, bytes, ms.job, copy.bytes, ms.yard, goal));
    copy.free();
  };
  for (const [method, own, goal] of [["linear", { weight: 0.4 }, { atLeast: 0.8 }], ["ties", { weight: 0.7, density: 0.2 }, { atLeast: 0.25 }]] as const) {
    const job = jobOf(method, own);
    const passes: GpuPasses = await executor.open({ name: job.name, shape: SHAPE, inputs: job.inputs.length }, source(job), {});
    const read = 4 * ELEMENTS * job.inputs.length;
    const { tensor } = tensorOf(job, settle(job), passes, []);
    const store: Float = await methods[method](tensor);
    const merge = () => passes.keep(store, out);
    const bytes = read + 4 * ELEMENTS;
    if (method === "ties") {
      // As the method runs it, after a look at one element in thirty-two: one pass over all inputs for three cuts, one to place equal elements.
      const selecting = 2 * read;
      const select = () => cutsOf(passes, modelsOf(job, settle(job), arithmetic("float32")).models.map(({ delta }) => ({ of: delta, keep: [ELEMENTS / 5] })));
      await measure("ties: selecting 20 % of three task vectors", selecting, null, select);
      await measure("ties: masks, merge and write", bytes, null, merge);
      await measure("ties: all its kernels", selecting + bytes, goal, async () => {
        await select();
        await merge();
      });
    } else {
      await measure(`${method}: merge and write`, bytes, goal, merge);
    }
    passes.close();
  }
  gpu.free(out);
  executor.destroy();
  return rows;
}

async function onCpu(source: (job: TensorJob) => TensorSource): Promise<BenchRow[]> {
  const executor = new CpuExecutor({ budgetBytes: 2 ** 29 });
  const rows: BenchRow[] = [];
  const dense = { weight: 1, density: 0.2 };
  const list: [MethodName, Record<string, number>, TensorJob["parameters"]?][] = [
    ["linear", { weight: 1 }], ["ties", dense], ["dare_ties", dense], ["della", { weight: 1, density: 0.5 }], ["sce", {}, { select_topk: 0.5 }],
  ];
  for (const [method, own, parameters] of list) {
    const job = jobOf(method, own, parameters);
    let least = Infinity;
    for (let round = 0; round < 3; round++) {
      const start = performance.now();
      await mergeTensor(job, source(job), () => {}, { executor });
      least = Math.min(least, performance.now() - start);
    }
    rows.push({ name: `${method} on the CPU, three models`, value: (1e6 * least) / ELEMENTS / MODELS, unit: "ns an element and model", goal: null, details: { ms: least, elements: ELEMENTS } });
  }
  executor.destroy();
  return rows;
}
