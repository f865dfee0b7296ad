/** What a method is: from the passes over one tensor to the formula of its output. */
import type { Arithmetic } from "./arithmetic.ts";
import type { Settled } from "./check.ts";
import type { Passes } from "./executor.ts";
import { type Float, input, type Truth } from "./expression.ts";
import type { Survey } from "./survey.ts";
import type { Scalar, TensorJob, WarningCode } from "./types.ts";

/** An input that is not the base (where a method has none: any input). */
export interface Model {
  readonly id: string;
  /** Position among the job's inputs. */
  readonly position: number;
  /** Its elements, rounded to the arithmetic. */
  readonly value: Float;
  /** value − base; value where there is no base. */
  readonly delta: Float;
  readonly parameters: Readonly<Record<string, number | boolean>>;
}

export interface Tensor {
  readonly job: TensorJob;
  readonly arithmetic: Arithmetic;
  readonly base: Float | null;
  readonly models: readonly Model[];
  readonly parameters: Readonly<Record<string, Scalar>>;
  readonly length: number;
  readonly passes: Passes;
  /** Of the whole model; throws where the job needs one and none was given. */
  readonly survey: () => Survey;
  warn(code: WarningCode, message: string): void;
  /** Counts a truth in the pass that writes the output, and hears of it then. */
  after(truth: Truth, hear: (count: number) => void | Promise<void>): void;
}

export type Method = (tensor: Tensor) => Float | Promise<Float>;

/** The base of a method that cannot do without; `settle` saw to it. */
export function baseOf({ base, job }: Tensor): Float {
  if (base === null) throw new TypeError(`${job.method} of ${job.name} has no base`);
  return base;
}

/** The inputs of a job as expressions, rounded to the arithmetic. */
export function modelsOf(job: TensorJob, settled: Settled, a: Arithmetic): { base: Float | null; models: readonly Model[] } {
  const values = job.inputs.map((_, i) => a.round(input(i)));
  const base = job.base === null || settled.models.includes(job.base) ? null : (values[job.base] as Float);
  const models = settled.models.map((position): Model => {
    const value = values[position] as Float;
    const delta = base === null ? value : a.sub(value, base);
    return { id: (job.inputs[position] as TensorJob["inputs"][number]).id, position, value, delta, parameters: settled.perModel[position] ?? {} };
  });
  return { base, models };
}
