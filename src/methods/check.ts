/** What a job says, checked: how many models, which parameters, numbers that make sense together. */
import { LabError } from "../lib/error.ts";
import { list, suggestion } from "../lib/words.ts";
import { methodSpec } from "./fields.ts";
import type { MethodSpec, ParameterSpec } from "./spec.ts";
import type { Scalar, TensorJob } from "./types.ts";

/** A job's parameters with every default filled in. */
export interface Settled {
  readonly whole: Readonly<Record<string, Scalar>>;
  /** By input position; empty for the base. A parameter that was left out and has no default is not there. */
  readonly perModel: readonly Readonly<Record<string, number | boolean>>[];
  /** Positions of the inputs that are not the base, in order; all of them where the method has none. */
  readonly models: readonly number[];
}

/** Throws "bad-recipe" with a sentence that says which input, which parameter, in which tensor. */
export function settle(job: TensorJob): Settled {
  const spec = methodSpec(job.method);
  const models = job.inputs.map((_, i) => i).filter((i) => i !== job.base || spec.base === "none");
  checkModels(job, spec, models.length);
  const whole = filled(job, spec.whole, job.parameters, "");
  const perModel = job.inputs.map(({ id, parameters }, i) => (models.includes(i) ? filled(job, spec.perModel, parameters, ` of ${id}`) : {}));
  const settled = { whole, perModel: perModel as Record<string, number | boolean>[], models };
  checkTogether(job, settled);
  return settled;
}

function checkModels({ method, name, inputs, base }: TensorJob, spec: MethodSpec, models: number): void {
  const refuse = (why: string): never => {
    throw new LabError("bad-recipe", `${method} ${why} (tensor ${name}, models ${list(inputs.map(({ id }) => id))}).`);
  };
  if (base !== null && !(base in inputs)) refuse(`was told that model ${base} is the base, but there are ${inputs.length}`);
  if (spec.base === "required" && base === null) refuse("needs a base model: name one as base_model");
  const { min, max } = spec.models;
  if (models >= min && (max === null || models <= max)) return;
  const wanted = min === max ? `takes exactly ${min}` : models < min ? `takes at least ${min}` : `takes at most ${max}`;
  refuse(`${wanted} ${min === 1 && max === 1 ? "model" : "models"}${spec.base === "none" ? "" : " beside the base"}, not ${models}`);
}

function filled(
  { method, name }: TensorJob, fields: Readonly<Record<string, ParameterSpec>>, given: Readonly<Record<string, Scalar>>, whose: string,
): Record<string, Scalar> {
  const out: Record<string, Scalar> = {};
  for (const key of Object.keys(given)) {
    if (!Object.hasOwn(fields, key)) throw new LabError("bad-recipe", `${key}${whose} is no parameter of ${method}${suggestion(key, Object.keys(fields))}.`);
  }
  for (const [key, { field }] of Object.entries(fields)) {
    const parsed = field.safeParse(given[key], { reportInput: true });
    if (!parsed.success) throw new LabError("bad-recipe", `${method}: ${key}${whose} ${parsed.error.issues[0]?.message ?? "is not valid"} (tensor ${name}).`);
    if (parsed.data !== undefined) out[key] = parsed.data as Scalar;
  }
  return out;
}

function checkTogether(job: TensorJob, { whole, perModel, models }: Settled): void {
  const { method, name, inputs } = job;
  const divides = (method === "linear" && whole["normalize"]) || (method === "multislerp" && whole["normalize_weights"] && models.length > 1);
  if (divides && models.reduce((sum, i) => sum + Number(perModel[i]?.["weight"]), 0) === 0) {
    const weights = models.map((i) => `${inputs[i]?.id} ${perModel[i]?.["weight"]}`);
    throw new LabError("bad-recipe", `${method} divides by the sum of weights, and those of ${name} sum to zero: ${list(weights)}. Change one, or switch the division off.`);
  }
  for (const i of models) {
    const { density, epsilon } = perModel[i] as { density?: number; epsilon?: number };
    if (density === undefined || epsilon === undefined || density === 0 || density === 1) continue;
    if (density + epsilon >= 1 || density - epsilon <= 0) {
      throw new LabError("bad-recipe", `${method} keeps elements with chances from density − epsilon to density + epsilon, which must lie between 0 and 1: ${inputs[i]?.id} has density ${density} and epsilon ${epsilon} (tensor ${name}).`);
    }
  }
}
