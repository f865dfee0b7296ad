/** Merges one tensor: its method asks for sums and selections, then its formula writes the output, chunk by chunk. */
import { LabError } from "../lib/error.ts";
import { list } from "../lib/words.ts";
import { arithmetic } from "./arithmetic.ts";
import { settle, type Settled } from "./check.ts";
import type { Passes } from "./executor.ts";
import { differ, finite, type Float, input, mul, not, type Truth } from "./expression.ts";
import type { MethodName } from "./fields.ts";
import { modelsOf, type Tensor } from "./method.ts";
import type { Survey } from "./survey.ts";
import { methods } from "./table.ts";
import type { Merged, MergeOptions, MethodWarning, TensorJob, TensorSource, TensorWriter } from "./types.ts";

/** Pairs of models compared with one another; with more models than this each is compared with the one before. */
const COMPARED_MODELS = 5;

export async function mergeTensor(job: TensorJob, source: TensorSource, write: TensorWriter, options: MergeOptions): Promise<Merged> {
  const { executor, chunkElements, signal, survey } = options;
  const settled = settle(job);
  const passes = await executor.open({ name: job.name, shape: job.shape, inputs: job.inputs.length }, source, { chunkElements, signal });
  try {
    const warnings: MethodWarning[] = [];
    const { tensor, watched } = tensorOf(job, settled, passes, warnings, survey);
    const made = await methods[job.method as MethodName](tensor); // settle knew the name
    watchSameness(tensor);
    watchFinite(tensor, made);
    const store = tensor.arithmetic.round(made);
    const { sums: [squares = 0], counts } = await passes.write({ store, sums: [mul(store, store)], counts: watched.map(({ truth }) => truth) }, write);
    for (const [i, { hear }] of watched.entries()) await hear(counts[i] as number);
    return { warnings, norm: Math.sqrt(squares) };
  } finally {
    passes.close();
  }
}

interface Watched {
  readonly truth: Truth;
  readonly hear: (count: number) => void | Promise<void>;
}

/** What a method sees of a job. */
export function tensorOf(
  job: TensorJob, settled: Settled, passes: Passes, warnings: MethodWarning[], survey?: Survey,
): { tensor: Tensor; watched: readonly Watched[] } {
  const a = arithmetic(job.dtype ?? "float32");
  const { base, models } = modelsOf(job, settled, a);
  const watched: Watched[] = [];
  const tensor: Tensor = {
    job, arithmetic: a, base, models, parameters: settled.whole, length: passes.length, passes,
    survey: () => {
      if (!survey) throw new LabError("internal", `${job.method} of ${job.name} needs a survey of the whole model first: surveyModel.`);
      return survey;
    },
    warn: (code, message) => warnings.push({ code, message, tensor: job.name }),
    after: (truth, hear) => watched.push({ truth, hear }),
  };
  return { tensor, watched };
}

/** Models that are the base, or one another, element by element. */
function watchSameness(tensor: Tensor): void {
  const { base, models, job } = tensor;
  if (tensor.length === 0) return;
  for (const [i, model] of models.entries()) {
    if (base !== null) {
      tensor.after(differ(model.value, base), (different) => {
        if (different === 0) tensor.warn("expert-equals-base", `${model.id} is the base, bit by bit, in ${job.name}.`);
      });
    }
    const others = models.length <= COMPARED_MODELS ? models.slice(0, i) : models.slice(Math.max(0, i - 1), i);
    for (const other of others) {
      tensor.after(differ(model.value, other.value), (different) => {
        if (different === 0) tensor.warn("experts-identical", `${other.id} and ${model.id} are the same, bit by bit, in ${job.name}.`);
      });
    }
  }
}

/** An output that is no number; only then is it asked which input brought it. */
function watchFinite(tensor: Tensor, made: Float): void {
  const { job, passes } = tensor;
  tensor.after(not(finite(made)), async (strange) => {
    if (strange === 0) return;
    const { counts } = await passes.totals([], job.inputs.map((_, i) => not(finite(input(i)))));
    const guilty = job.inputs.filter((_, i) => (counts[i] as number) > 0).map(({ id }) => id);
    const why = guilty.length > 0 ? `as are some of ${list(guilty)}` : "though all inputs are finite: the numbers grew too large";
    tensor.warn("non-finite-weights", `${strange} of ${tensor.length} elements of ${job.name} are not finite, ${why}.`);
  });
}
