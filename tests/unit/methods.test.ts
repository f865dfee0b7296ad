import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Executor } from "../../src/methods/executor.ts";
import { CpuExecutor } from "../../src/methods/executor.cpu.ts";
import { mergeTensor } from "../../src/methods/merge.ts";
import type { Dtype, Merged, MergeOptions, TensorJob } from "../../src/methods/types.ts";
import { DefinitionExecutor } from "../fixtures/methods/definition.ts";
import { cases, inputsOf, jobOf, sourceOf } from "../fixtures/methods/jobs.ts";

const product = (shape: readonly number[]) => shape.reduce((all, side) => all * side, 1);
const bits = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

async function merged(executor: Executor, job: TensorJob, inputs: readonly Float32Array[], options: Partial<MergeOptions> = {}): Promise<Merged & { values: Float32Array }> {
  const values = new Float32Array(product(job.shape));
  let next = 0;
  const result = await mergeTensor(job, sourceOf(inputs), (from, chunk) => {
    expect(from).toBe(next); // in order, without gaps
    next = from + chunk.length;
    values.set(chunk, from);
  }, { executor, ...options });
  expect(next).toBe(values.length);
  return { ...result, values };
}

// 7 × 29: odd sides, rows that start at every remainder of four; 29: one dimension; 3 × 5 × 4: three. Rows longer than a block: below.
const shapes = [[7, 29], [29], [3, 5, 4]];
const dtypes: readonly Dtype[] = ["float32", "bfloat16", "float16"];

describe("the fast path is the definition, bit by bit", () => {
  const fast = new CpuExecutor();
  describe.each(dtypes)("%s", (dtype) => {
    test.each(cases)("$name", async (one) => {
      for (const shape of shapes) {
        const job = jobOf(one, shape, dtype);
        const inputs = inputsOf(one, product(shape), dtype);
        const [got, wanted] = [await merged(fast, job, inputs), await merged(new DefinitionExecutor(), job, inputs)];
        expect(bits(got.values), String(shape)).toEqual(bits(wanted.values));
        expect(got.warnings).toEqual(wanted.warnings);
        expect(got.values.some((value) => value !== 0)).toBe(true);
      }
    });
  });
});

// 2 × 8197: a row is longer than a block of 8,192, and the second begins at a remainder of one.
test.each(cases)("rows longer than a block: $name", async (one) => {
  const job = jobOf(one, [2, 8197]);
  const inputs = inputsOf(one, 2 * 8197);
  const [got, wanted] = [await merged(new CpuExecutor(), job, inputs), await merged(new DefinitionExecutor(), job, inputs)];
  expect(bits(got.values)).toEqual(bits(wanted.values));
});

test("a merge has the same bits whatever the chunk, kept whole or read anew in every pass", async () => {
  const executors = [new CpuExecutor(), new CpuExecutor({ budgetBytes: 0 })];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...cases), fc.constantFrom(...dtypes), fc.array(fc.integer({ min: 1, max: 23 }), { minLength: 1, maxLength: 3 }),
      fc.integer({ min: 1, max: 700 }), fc.constantFrom(...executors),
      async (one, dtype, shape, chunkElements, executor) => {
        const job = jobOf(one, shape, dtype);
        const inputs = inputsOf(one, product(shape), dtype);
        const whole = await merged(executors[0]!, job, inputs);
        const cut = await merged(executor, job, inputs, { chunkElements });
        expect(bits(cut.values)).toEqual(bits(whole.values));
        expect(cut.warnings).toEqual(whole.warnings);
      },
    ),
    { numRuns: 200, seed: 1 },
  );
}, 60_000);
