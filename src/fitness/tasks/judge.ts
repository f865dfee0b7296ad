/** Generated text → right or not: what is read out of it, held against the answer; code is run against its tests. */
import type { TextTask } from "../types.ts";
import { numberAhead, numberAlone, readOut } from "./extract.ts";
import type { Ignored, TaskSpec } from "./settle.ts";

export function judgeOf(spec: TaskSpec): TextTask["judge"] {
  if (spec.kind === "code") return runCode(spec);
  return (text, { answer = "" }) => {
    const read = readOut(text, spec.extract);
    return { right: read !== null && same(read, readOut(answer, spec.extract) ?? answer, spec), read: read ?? "" };
  };
}

/** No answer of a few hundred tokens is longer. */
const CODE_MOST = 100_000;

function runCode(spec: TaskSpec): TextTask["judge"] {
  return async (text, { tests = [] }) => {
    const code = readOut(text, spec.extract) ?? text;
    if (code.trim() === "") return { right: false, read: "It is empty" };
    const { codeRunner } = await import("../code/runner.ts"); // Python comes only where code is to be run
    const { passed, reason } = await codeRunner().run(code.slice(0, CODE_MOST), tests);
    return { right: passed, read: reason };
  };
}

function same(read: string, wanted: string, { extract, ignore }: TaskSpec): boolean {
  // What was looked for is a number: 1,000 and 1000.0 are the same one.
  const number = extract === "last_number" || typeof extract === "object" ? numberAlone(wanted) : null;
  if (number !== null) return numberAhead(read) === number;
  if (extract === "choice_letter" && /^\d+$/.test(wanted.trim())) return read === String.fromCharCode(65 + Number(wanted)); // a position
  return plain(read, ignore) === plain(wanted, ignore);
}

/** As it is compared: Unicode composed, ends trimmed; without case, without punctuation (blanks then count as one) where the task says so. */
export function plain(text: string, ignore: readonly Ignored[]): string {
  let now = text.normalize("NFC").trim();
  if (ignore.includes("case")) now = now.toLowerCase();
  if (ignore.includes("punctuation")) now = now.replace(/[\p{P}\p{S}]/gu, "").replace(/\s+/g, " ").trim();
  return now;
}
