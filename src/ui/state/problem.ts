/** What went wrong as the page tells it: the sentence, what to do, and another try where that may help. */
import { isLabError } from "../../index.ts";
import { s } from "../strings.ts";

export interface Problem {
  readonly message: string;
  readonly tip: string | null;
  readonly again: (() => void) | null;
}

/** Failures of the network or of storage, not of what was asked for. */
const PASSING = ["offline", "rate-limited", "digest-mismatch", "length-mismatch", "quota", "hang"];

export function problemOf(problem: unknown, again: (() => void) | null): Problem {
  const code = isLabError(problem) ? problem.code : null;
  return {
    message: problem instanceof Error ? problem.message : String(problem),
    tip: code === null ? null : (s.error.tips[code] ?? null),
    again: code !== null && PASSING.includes(code) ? again : null,
  };
}
