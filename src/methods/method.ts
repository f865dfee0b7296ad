/** What a method is: from the passes over one tensor to the formula of its output. */
import type { Arithmetic } from "./arithmetic.ts";
import type { Passes } from "./executor.ts";
import type { Float, Truth } from "./expression.ts";
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
