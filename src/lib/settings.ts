/**
 * A parameter that varies, in mergekit's form: a value, a gradient over the layers `[a, b, …]`, or filters
 * `[{ filter, value }]`, of which the first that fits a tensor's name counts.
 */
import * as z from "zod";
import { fields, must } from "./fields.ts";

export type Scalar = number | boolean | string;

/** One filter: no filter or "*" fits every tensor, any other text fits the names that contain it. */
export interface Conditional<T extends Scalar> {
  readonly filter?: string | undefined;
  readonly value: T | readonly T[];
}

export type Setting<T extends Scalar> = T | readonly T[] | readonly Conditional<T>[];

const MOST = 1000;

/** `field` as a value, a gradient, or filters. */
export function setting<T extends z.ZodType<Scalar>>(field: T) {
  const says = must(`must be a value, a list of 1 to ${MOST} values over the layers, or a list of { "filter": "…", "value": … }`);
  const gradient = z.array(field, says).min(1, says).max(MOST, says);
  const conditional = fields({
    filter: z.string(must("must be text")).max(512, must("must be at most 512 characters")).optional().describe("Part of the tensor's name; every tensor unless given"),
    value: z.union([field, gradient], says).describe("A value, or a list of values over the layers"),
  });
  return z.union([field, gradient, z.array(conditional, says).min(1, says).max(MOST, says)], says);
}

export function isConditionals<T extends Scalar>(written: Setting<T>): written is readonly Conditional<T>[] {
  return Array.isArray(written) && typeof written[0] === "object";
}

/**
 * The value for one tensor. `t`: place of its layer, 0 for the first of its slice and for all that is in no layer, 1 for the last.
 * Numbers are interpolated between the neighbours of t, anything else steps. Null where no filter fits.
 */
export function settle<T extends Scalar>(written: Setting<T>, tensor: string, t: number): T | null {
  if (!Array.isArray(written)) return written as T;
  if (!isConditionals(written as Setting<T>)) return along(written as readonly T[], t);
  const fitting = (written as readonly Conditional<T>[]).find(({ filter }) => filter === undefined || filter === "*" || tensor.includes(filter));
  if (fitting === undefined) return null;
  return Array.isArray(fitting.value) ? along(fitting.value as readonly T[], t) : (fitting.value as T);
}

function along<T extends Scalar>(values: readonly T[], t: number): T | null {
  const scaled = t * (values.length - 1);
  const at = Math.trunc(scaled);
  const [low, high] = [values[at], values[Math.min(values.length - 1, at + 1)]];
  if (low === undefined || high === undefined) return null;
  if (typeof low !== "number" || typeof high !== "number") return low as T;
  const share = scaled - at;
  return ((1 - share) * low + share * high) as T;
}

/** The settings of several scopes, the nearest first: what a tensor finds in the first counts, else in the next. */
export function settleFirst<T extends Scalar>(scopes: readonly (Setting<T> | undefined)[], tensor: string, t: number): T | null {
  for (const scope of scopes) {
    const value = scope === undefined ? null : settle<T>(scope, tensor, t);
    if (value !== null) return value;
  }
  return null;
}

/** One setting that means the same as two scopes: `outer` counts where no filter of `inner` fits. */
export function layered<T extends Scalar>(inner: Setting<T> | undefined, outer: Setting<T> | undefined): Setting<T> | undefined {
  if (inner === undefined) return outer;
  if (outer === undefined || !isConditionals(inner) || inner.some(({ filter }) => filter === undefined || filter === "*")) return inner;
  return [...inner, ...(isConditionals(outer) ? outer : [{ value: outer }])];
}

/** Every value that is written in a setting, for checks that hold for each. */
export function valuesOf<T extends Scalar>(written: Setting<T>): readonly T[] {
  if (!Array.isArray(written)) return [written as T];
  return (written as readonly (T | Conditional<T>)[]).flatMap((one) => (typeof one === "object" ? valuesOf<T>(one.value as Setting<T>) : [one]));
}
