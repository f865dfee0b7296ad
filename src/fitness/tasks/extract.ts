/** The answer in a generated text, by the task's `extract`. */
import type { Extract } from "./settle.ts";

/** Digits with or without commas between thousands, a sign, decimals. */
const NUMBER = /[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?/g;

/** null: nothing of the kind stands there. */
export function readOut(text: string, extract: Extract): string | null {
  if (extract === "text") return text.trim();
  if (extract === "last_number") return text.match(NUMBER)?.at(-1) ?? null;
  if (extract === "choice_letter") return letterIn(text);
  if (extract === "code") return codeIn(text);
  const at = text.lastIndexOf(extract.after);
  return at === -1 ? null : text.slice(at + extract.after.length).trim();
}

/** The last number in what is read out of a text. */
export const numberRead = (text: string, extract: Extract = "text"): number | null => asNumber(readOut(text, extract)?.match(NUMBER)?.at(-1));

/** A text that is a number and nothing else, but for a currency or per cent. */
export const numberAlone = (text: string): number | null => asNumber(new RegExp(`^\\s*[$€£]?\\s*(${NUMBER.source})\\s*[%.]?\\s*$`).exec(text)?.[1]);

/** The number that a text begins with. */
export const numberAhead = (text: string): number | null => asNumber(new RegExp(`^\\s*[$€£]?\\s*(${NUMBER.source})`).exec(text)?.[1]);

const asNumber = (digits: string | undefined): number | null => (digits === undefined ? null : Number(digits.replaceAll(",", "").replace("−", "-")));

/** "The answer is B", else a letter it begins with, else the last in parentheses, else the first capital that stands alone. */
function letterIn(text: string): string | null {
  const tries = [/answer\s*(?:is|:)\s*\(?([A-Z])\b/i, /^\s*\(?([A-Z])(?:[).:,]|\s*$)/, /.*\(([A-Z])\)/s, /(?<![\p{L}'])([B-HJ-Z]|[AI](?=[.):,]|\s*$))(?![\p{L}'])/u];
  for (const one of tries) {
    const letter = one.exec(text)?.[1];
    if (letter) return letter.toUpperCase();
  }
  return null;
}

/** A fenced block where there is one, the last; else all of it. */
function codeIn(text: string): string {
  const blocks = [...text.matchAll(/```(?:[Pp]ython3?|py)?[ \t]*\n([\s\S]*?)(?:```|$)/g)];
  return blocks.at(-1)?.[1] ?? text;
}
