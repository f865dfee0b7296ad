/** Generated text → right or not: what is read out of it, held against the answer. */
import type { TextTask } from "../types.ts";
import { numberAhead, numberAlone, readOut } from "./extract.ts";
import type { Ignored, TaskSpec } from "./settle.ts";

export function judgeOf(spec: TaskSpec): TextTask["judge"] {
  return (text, { answer = "" }) => {
    const read = readOut(text, spec.extract);
    return { right: read !== null && same(read, readOut(answer, spec.extract) ?? answer, spec), read: read ?? "" };
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
