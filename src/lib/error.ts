/** An error says what happened, to what, and what to try. `code` is for programs, the message for people. */
export type LabErrorCode =
  | "bad-recipe"
  | "bad-arguments"
  | "unknown-model"
  | "not-found"
  | "gated"
  | "offline"
  | "rate-limited"
  | "digest-mismatch"
  | "length-mismatch"
  | "bad-onnx"
  | "unsupported-onnx"
  | "bad-safetensors"
  | "unsupported-safetensors"
  | "bad-samples"
  | "shape-mismatch"
  | "graph-mismatch"
  | "too-few-samples"
  | "out-of-memory"
  | "no-webgpu"
  | "device-lost"
  | "hang"
  | "quota"
  | "not-finite"
  | "run-failed"
  | "cancelled"
  | "internal";

export class LabError extends Error {
  override readonly name = "LabError";
  readonly code: LabErrorCode;
  /** Plain JSON for programs: tensors, shapes, paths. */
  readonly details?: unknown;

  constructor(code: LabErrorCode, message: string, options: { cause?: unknown; details?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details;
  }
}

export function isLabError(error: unknown, code?: LabErrorCode): error is LabError {
  return error instanceof LabError && (code === undefined || error.code === code);
}

/** A cancelled call: thrown when a signal fires, never shown to a person as an error. */
export function cancelled(): LabError {
  return new LabError("cancelled", "Stopped.");
}
