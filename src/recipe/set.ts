/** `--set path=value`: one field of a recipe as people write it. A step is a field, a place in a list, or an id in it. */
import { LabError } from "../lib/error.ts";
import { list, suggestion } from "../lib/words.ts";

type Json = Record<string, unknown> | unknown[];

/** A changed copy. `value` is read as JSON where it is JSON, else as text: `runs.pso.steps=9`, `runs.0.swarm=resident`. */
export function setPath<T>(recipe: T, path: string, value: string): T {
  const steps = path.split(".");
  if (path === "" || steps.includes("")) throw bad(path, "a path is names with dots between: runs.0.swarm");
  if (steps.some((step) => step === "__proto__" || step === "constructor" || step === "prototype")) throw bad(path, "no recipe has such a field");
  const changed = structuredClone(recipe);
  let at: unknown = changed;
  steps.forEach((step, depth) => {
    if (typeof at !== "object" || at === null) throw bad(path, `${steps.slice(0, depth).join(".")} holds no fields`);
    const holder = at as Json;
    const key = Array.isArray(holder) ? placeIn(holder, step, path) : step;
    const fields = holder as Record<string | number, unknown>; // an array takes its number, an object its name
    if (depth === steps.length - 1) fields[key] = read(value);
    else at = Object.hasOwn(fields, key) ? fields[key] : (fields[key] = {});
  });
  return changed;
}

/** `runs.0.swarm=resident` as it stands on a command line. */
export function applySetting<T>(recipe: T, setting: string): T {
  const equals = setting.indexOf("=");
  if (equals < 1) throw bad(setting, "write path=value: runs.0.swarm=resident");
  return setPath(recipe, setting.slice(0, equals), setting.slice(equals + 1));
}

function placeIn(items: readonly unknown[], step: string, path: string): number {
  const ids = items.map((item) => (typeof item === "object" && item !== null && "id" in item ? String(item.id) : ""));
  const place = /^\d+$/.test(step) && !ids.includes(step) ? Number(step) : ids.indexOf(step);
  if (place >= 0 && place < items.length) return place;
  const known = ids.filter((id) => id !== "");
  throw bad(path, `${step} is not in that list of ${items.length}${known.length > 0 ? suggestion(step, known) : list(known)}`);
}

function read(value: string): unknown {
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return value;
  }
}

function bad(path: string, why: string): LabError {
  return new LabError("bad-arguments", `--set ${path.slice(0, 100)} cannot be done: ${why}.`);
}
