/**
 * JSON as Python writes it: 30.0 is a number with a point and stays one (programs that check types refuse 30 in its place), numbers beyond 2⁵³
 * keep their digits, Infinity and NaN may stand. A value is read together with how its numbers were written, and written again like that.
 */

/** How numbers were written, by path, where JSON.stringify would write them otherwise. */
export type NumberTexts = ReadonlyMap<string, string>;

export interface PythonJson {
  readonly value: unknown;
  readonly numbers: NumberTexts;
}

const BETWEEN = "\u0000";
const bare = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/gs;
const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;

/** Throws SyntaxError. */
export function parsePythonJson(text: string): PythonJson {
  const strict = text.replace(bare, (found) => (found.startsWith('"') ? found : found === "NaN" ? "null" : found.replace("Infinity", "1e999")));
  return { value: JSON.parse(strict) as unknown, numbers: numbersOf(text) };
}

/** Of a text that is JSON. */
function numbersOf(text: string): NumberTexts {
  const numbers = new Map<string, string>();
  /** Keys of objects, places in lists. */
  const path: (string | number)[] = [];
  let key: string | null = null; // of the object that is read; told before its value
  let expectsKey = false;
  for (const [found] of text.matchAll(token)) {
    const last = path.length - 1;
    const inList = typeof path[last] === "number";
    if (found === "{" || found === "[") {
      path.push(found === "{" ? "" : 0);
      expectsKey = found === "{";
    } else if (found === "}" || found === "]") {
      path.pop();
      expectsKey = false;
    } else if (found === ",") {
      if (inList) path[last] = (path[last] as number) + 1;
      expectsKey = !inList;
    } else if (found === ":") {
      path[last] = key ?? "";
      expectsKey = false;
    } else if (expectsKey && found.startsWith('"')) {
      key = JSON.parse(found) as string;
    } else if (/^[-\dIN]/.test(found) && JSON.stringify(Number(found)) !== found) {
      numbers.set(path.join(BETWEEN), found);
    }
  }
  return numbers;
}

/** Two spaces a level and a last line's end; numbers that are what they were are written as they were. */
export function pythonJsonText(value: unknown, numbers: NumberTexts = new Map()): string {
  const text = (one: unknown, path: readonly (string | number)[], indent: string): string => {
    const written = numbers.get(path.join(BETWEEN));
    if (typeof one === "number" || (one === null && written === "NaN")) {
      if (written !== undefined && Object.is(Number(written), one ?? NaN)) return written;
      return typeof one === "number" && !Number.isFinite(one) ? String(one) : JSON.stringify(one);
    }
    if (typeof one !== "object" || one === null) return JSON.stringify(one);
    const inner = `${indent}  `;
    const parts = Array.isArray(one)
      ? one.map((item: unknown, i) => text(item, [...path, i], inner))
      : Object.entries(one).flatMap(([name, item]) => (item === undefined ? [] : [`${JSON.stringify(name)}: ${text(item, [...path, name], inner)}`]));
    const [open, close] = Array.isArray(one) ? "[]" : "{}";
    return parts.length === 0 ? `${open}${close}` : `${open}\n${inner}${parts.join(`,\n${inner}`)}\n${indent}${close}`;
  };
  return `${text(value, [], "")}\n`;
}
