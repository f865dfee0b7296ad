/**
 * Errors across threads. comlink keeps name, message and stack; this keeps a LabError a LabError: code, details and the
 * chain of causes. Importing it is enough, on both sides.
 */
import { type TransferHandler, transferHandlers } from "comlink";
import { LabError, type LabErrorCode } from "../lib/error.ts";

interface Thrown {
  value: unknown;
}

interface WireError {
  name: string;
  message: string;
  stack?: string;
  code?: LabErrorCode;
  /** JSON, so that nothing in it can refuse to be cloned. */
  details?: string;
  cause?: WireValue;
}

type WireValue = { isError: true; error: WireError } | { isError: false; value: unknown };

/** A chain of causes longer than this has stopped explaining. */
const CAUSES_MAX = 8;

export function toWire(value: unknown, depth = 0): WireValue {
  if (!(value instanceof Error)) return { isError: false, value: cloneable(value) };
  const error: WireError = { name: value.name, message: value.message };
  if (value.stack !== undefined) error.stack = value.stack;
  if (value.cause !== undefined && depth < CAUSES_MAX) error.cause = toWire(value.cause, depth + 1);
  if (value instanceof LabError) {
    error.code = value.code;
    if (value.details !== undefined) error.details = json(value.details);
  }
  return { isError: true, error };
}

export function fromWire(wire: WireValue): unknown {
  if (!wire.isError) return wire.value;
  const { name, message, stack, code, details } = wire.error;
  const cause = wire.error.cause && fromWire(wire.error.cause);
  const error = code
    ? new LabError(code, message, { cause, details: details === undefined ? undefined : (JSON.parse(details) as unknown) })
    : Object.assign(new Error(message, cause === undefined ? undefined : { cause }), { name });
  if (stack !== undefined) error.stack = stack;
  return error;
}

function cloneable(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return String(value);
  }
}

function json(details: unknown): string {
  try {
    return JSON.stringify(details, (_, value: unknown) => (typeof value === "bigint" ? Number(value) : value)) ?? "null";
  } catch {
    return JSON.stringify(String(details));
  }
}

// comlink marks a thrown value with a symbol of its own: its test for it is kept, the rest replaced.
const original = transferHandlers.get("throw") as TransferHandler<Thrown, unknown>;
const handler: TransferHandler<Thrown, WireValue> = {
  canHandle: original.canHandle,
  serialize: ({ value }) => [toWire(value), []],
  deserialize: (wire) => {
    throw fromWire(wire);
  },
};
transferHandlers.set("throw", handler as TransferHandler<unknown, unknown>);
