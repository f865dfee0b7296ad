/** A copy of JSON that owns everything it has: no prototypes, accessors, cycles, or sizes nobody writes. */
import { show } from "../lib/words.ts";

const MOST_VALUES = 5_000_000; // a million sample ids on each of three sides still pass
const DEEPEST = 24;

/** Objects of the copy have no prototype, so `__proto__` is a field like any other (and then an unknown one). */
export function plainJson(input: unknown, problems: string[]): unknown {
  let values = 0;
  const copy = (value: unknown, path: string, depth: number): unknown => {
    if (++values > MOST_VALUES || depth > DEEPEST) {
      if (problems.length === 0) problems.push(`${path || "The recipe"} is ${depth > DEEPEST ? "nested too deeply" : "too large"} to be a recipe.`);
      return null;
    }
    if (value === null || typeof value === "string" || typeof value === "boolean" || typeof value === "number") return value;
    const inner = (key: string | number) => (path === "" ? String(key) : `${path}.${key}`);
    if (Array.isArray(value)) return value.map((item: unknown, i) => copy(item, inner(i), depth + 1));
    if (typeof value === "object") {
      const out = Object.create(null) as Record<string, unknown>;
      for (const [key, item] of Object.entries(value)) if (item !== undefined) out[key] = copy(item, inner(key), depth + 1);
      return out;
    }
    problems.push(`${path || "The recipe"} is a ${typeof value}, not JSON: ${show(String(value))}.`);
    return null;
  };
  return copy(input, "", 0);
}
