/**
 * Building blocks of recipe fields. Each carries its own predicate ("must be a whole number from 1 to 64, not 0"),
 * so that a problem reads `path predicate.` and nothing else has to know how to explain it.
 */
import * as z from "zod";
import { figure, list, show, suggestion } from "./words.ts";

/** Names of things: experts, tasks, runs, comparisons. */
export const ID = /^[a-z0-9][a-z0-9_-]*$/;

interface RawIssue {
  readonly code?: string;
  readonly input?: unknown;
}

export function must(predicate: string) {
  return {
    error: ({ input }: RawIssue) => (input === undefined ? `is missing: it ${predicate}` : `${predicate}, not ${show(input)}`),
  };
}

/** An object with these fields and no others; an unknown one names the nearest. */
export function fields<S extends z.core.$ZodLooseShape>(shape: S): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === "unrecognized_keys")
        return issue.keys.map((key) => `${show(key).slice(1, -1)}\tis not a field${suggestion(key, known)}`).join("\n");
      return issue.input === undefined ? `is missing: it must have ${list(known)}` : `must be an object with ${list(known)}, not ${show(issue.input)}`;
    },
  });
}

/** A whole number of things, both ends allowed. */
export function count(low: number, high: number) {
  const says = must(`must be a whole number from ${figure(low)} to ${figure(high)}`);
  return z.int(says).min(low, says).max(high, says);
}

/** A finite number, both ends allowed. */
export function between(low: number, high: number) {
  const says = must(`must be a number from ${figure(low)} to ${figure(high)}`);
  return z.number(says).min(low, says).max(high, says);
}

/** A share: above 0, at most 1. */
export function share() {
  const says = must("must be a number above 0 and at most 1");
  return z.number(says).gt(0, says).max(1, says);
}

export function choice<const T extends readonly [string, ...string[]]>(names: T) {
  return z.enum(names, {
    error: ({ input }: RawIssue) => {
      if (typeof input !== "string") return `must be ${list(names, "or")}, not ${show(input)}`;
      return `must be ${list(names, "or")}, not ${show(input)}`;
    },
  });
}

export function yesNo() {
  return z.boolean(must("must be true or false"));
}

export function id() {
  const says = must("must be small letters, digits, _ and -, beginning with a letter or digit, at most 64");
  return z.string(says).max(64, says).regex(ID, says);
}

/** Numbers by expert id. */
export function byExpert() {
  return z.record(id(), between(-100, 100), must("must be an object of numbers by expert id"));
}

/** Fields of a run or comparison: its id, which is the method's name unless given, the method, its parameters. */
export function runFields<const M extends string, S extends z.core.$ZodLooseShape>(method: M, shape: S) {
  return fields({
    id: id().default(method as string).describe("Name of the run in the report; the method's name unless given"),
    method: z.literal(method),
    ...shape,
  });
}
