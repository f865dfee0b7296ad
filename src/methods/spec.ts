/** What a method takes: how many models, whether a base, which parameters. Names and defaults are mergekit 0.1.5's. */
import * as z from "zod";
import { between, choice, must, yesNo } from "../lib/fields.ts";
import type { Scalar } from "./types.ts";

export type Fields = Readonly<Record<string, z.ZodType>>;

export interface MethodFields {
  /** required: one input is the base; optional: task vectors with one, weights without; none: a base is an input like any other. */
  readonly base: "required" | "optional" | "none";
  /** Models beside the base (all of them where base is "none"); max null: any number. */
  readonly models: { readonly min: number; readonly max: number | null };
  /** A value a model, the base left out (where base is "none": every input). */
  readonly perModel: Fields;
  readonly whole: Fields;
}

/** `default` is absent where the parameter must be given, null where it may be left out and means nothing then. */
export interface ParameterSpec {
  readonly required: boolean;
  readonly default: Scalar | null;
  readonly kind: "number" | "boolean" | "choice";
  readonly description: string;
  readonly field: z.ZodType;
}

export interface MethodSpec {
  readonly name: string;
  readonly base: MethodFields["base"];
  readonly models: MethodFields["models"];
  readonly perModel: Readonly<Record<string, ParameterSpec>>;
  readonly whole: Readonly<Record<string, ParameterSpec>>;
}

export function specOf(name: string, { base, models, perModel, whole }: MethodFields): MethodSpec {
  const each = (fields: Fields) => Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, parameterSpec(field)]));
  return { name, base, models, perModel: each(perModel), whole: each(whole) };
}

function parameterSpec(field: z.ZodType): ParameterSpec {
  const unless = field.safeParse(undefined);
  let inner = field;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
  const kind = inner instanceof z.ZodBoolean ? "boolean" : inner instanceof z.ZodEnum ? "choice" : "number";
  return {
    required: !unless.success,
    default: unless.success ? ((unless.data as Scalar | undefined) ?? null) : null,
    kind, field, description: field.description ?? "",
  };
}

const says = must("must be a finite number");
/** Any finite number. */
export const number = () => z.number(says).refine(Number.isFinite, says);
/** 0 and 1 allowed. */
export const share = () => between(0, 1);
export const positive = () => {
  const text = must("must be a number of at least 0");
  return z.number(text).min(0, text);
};

export const weight = () => number().describe("Factor of this model");

/** Of the task-arithmetic family: sparsify δ, times weight, sign consensus, sum, ÷ if normalize, × lambda, + base. */
export const family = (defaults: { normalize: boolean; rescale: boolean }) => ({
  normalize: yesNo().default(defaults.normalize).describe("Divide by the sum of weights (of those kept, with consensus)"),
  lambda: number().default(1).describe("Factor of the merged task vector"),
  rescale: yesNo().default(defaults.rescale).describe("Make up for what was dropped"),
  rescaling: choice(["l1", "inverse"]).default("l1").describe("l1: the task vector keeps its L1 norm; inverse: divided by the density"),
  int8_mask: yesNo().default(false).describe("Without effect here; the result is the same"),
});

/** Of methods with sign consensus. */
export const election = () =>
  choice(["weighted", "unweighted"]).default("weighted").describe("How signs are elected and what normalize divides by: by weights, or each model alike, as PEFT does");

export const perTaskVector = () => ({
  weight: weight(),
  density: share().default(1).describe("Share of the task vector's elements kept"),
});

export const scope = () =>
  choice(["tensor", "model"]).default("tensor").describe("Where the largest are counted: in each tensor, or over the whole model as the papers do");

export const anyModels = { min: 0, max: null } as const;
