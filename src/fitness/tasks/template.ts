/**
 * Templates: text with `{{column}}` in it. A dotted path reaches into a column (`{{choices.text.0}}`), a filter behind a bar changes what
 * stands there (`{{ctx_b | capitalise}}`). No code, no loops; what a row holds is put in as text and never read as a template again.
 */
import { LabError } from "../../lib/error.ts";
import { list, nearest, show } from "../../lib/words.ts";
import { FILTERS, type FilterName } from "./filters.ts";

export type Row = Readonly<Record<string, unknown>>;

export interface Hole {
  /** As it was written, for messages. */
  readonly path: string;
  readonly filters: readonly FilterName[];
}

/** Text and holes by turns: `parts[0] hole[0] parts[1] … parts[n]`. */
export interface Template {
  readonly parts: readonly string[];
  readonly holes: readonly Hole[];
}

/** A link may bring any template; every row is filled into it. */
const [MOST_HOLES, MOST_STEPS] = [200, 16];
const HOLE = /\{\{([^{}]*)\}\}/g;

/** What is wrong with a template as a predicate, or null. */
export function templateProblem(text: string): string | null {
  let count = 0;
  for (const [whole, inside = ""] of text.matchAll(HOLE)) {
    const [path = "", ...filters] = inside.split("|").map((part) => part.trim());
    if (path === "") return `has ${show(whole)}, which names no column`;
    if (path.split(".").length > MOST_STEPS) return `has a path of more than ${MOST_STEPS} steps`;
    if (++count > MOST_HOLES) return `names more than ${MOST_HOLES} columns`;
    const unknown = filters.find((name) => !Object.hasOwn(FILTERS, name));
    if (unknown !== undefined) return `has the filter ${show(unknown)}, which there is not; there are ${list(Object.keys(FILTERS))}`;
  }
  return null;
}

export function parseTemplate(text: string): Template {
  const problem = templateProblem(text);
  if (problem !== null) throw new LabError("bad-recipe", `The template ${show(text)} ${problem}.`);
  const holes: Hole[] = [];
  const parts: string[] = [];
  let at = 0;
  for (const match of text.matchAll(HOLE)) {
    const [path = "", ...filters] = (match[1] ?? "").split("|").map((part) => part.trim());
    holes.push({ path, filters: filters as FilterName[] }); // looked at above
    parts.push(text.slice(at, match.index));
    at = match.index + match[0].length;
  }
  return { parts: [...parts, text.slice(at)], holes };
}

/** Where a name in a template leads: a renamed column, a column of that very name, or one it begins with. */
export class Columns {
  readonly #known: ReadonlySet<string>;

  /** `names`: role → column, as a task's `columns` has them. */
  constructor(readonly all: readonly string[], readonly names: Readonly<Record<string, string>> = {}) {
    this.#known = new Set(all);
  }

  has(path: string): boolean {
    return this.#find(path) !== null;
  }

  /** The column a path begins with. */
  of(path: string): string | null {
    return this.#find(path)?.column ?? null;
  }

  /** undefined: the row has nothing there. */
  read(path: string, row: Row): unknown {
    const found = this.#find(path);
    if (found === null) return undefined;
    let value: unknown = Object.hasOwn(row, found.column) ? row[found.column] : undefined;
    for (const step of found.rest) {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
      value = (value as Record<string, unknown>)[step];
    }
    return value;
  }

  /** Refuses a template that names columns which are not there. `what`: "prompt of task x". */
  check({ holes }: Template, what: string): void {
    for (const { path } of holes) {
      if (this.has(path)) continue;
      const near = nearest(path.split(".")[0] ?? "", this.all);
      throw new LabError("bad-samples", `The ${what} names the column ${show(path)}, which its samples do not have${near === null ? "" : `; did you mean ${near}?`} There are ${this.all.length === 0 ? "none" : list(this.all.slice(0, 30).map((name) => name.slice(0, 60)))}.`, { details: { column: path, columns: this.all.slice(0, 100) } });
    }
  }

  #find(path: string): { column: string; rest: readonly string[] } | null {
    const steps = path.split(".");
    // The longest name that is a column: names may have dots in them.
    for (let n = steps.length; n > 0; n--) {
      const name = steps.slice(0, n).join(".");
      const column = Object.hasOwn(this.names, name) ? this.names[name] : name;
      if (column !== undefined && this.#known.has(column)) return { column, rest: steps.slice(n) };
    }
    return null;
  }
}

/** How a column's value is written where it stands in a text: names of classes in place of their numbers, say. */
export type Write = (value: unknown, column: string | null) => unknown;

/** null: what a hole leads to is missing or empty in this row. Lists and objects are no text: an error names them. */
export function fill(template: Template, row: Row, columns: Columns, write: Write = (value) => value): string | null {
  let text = template.parts[0] ?? "";
  let empty = template.holes.length > 0;
  for (const [i, { path, filters }] of template.holes.entries()) {
    const value = write(columns.read(path, row), columns.of(path));
    const written = textOf(value, path);
    if (written.trim() !== "") empty = false;
    text += filtered(written, filters) + (template.parts[i + 1] ?? "");
  }
  return empty ? null : text;
}

/** One text for each element of the lists that the template names; one in all where it names none. */
export function fillEach(template: Template, row: Row, columns: Columns, write: Write = (value) => value): string[] {
  const values = template.holes.map(({ path }) => columns.read(path, row));
  const lists = values.filter(Array.isArray) as unknown[][];
  const count = lists.length === 0 ? 1 : Math.max(...lists.map((one) => one.length));
  if (lists.some((one) => one.length !== count)) throw new LabError("bad-samples", `The template ${show(template.parts.join("…"))} names lists of different lengths (${lists.map((one) => one.length).join(", ")}).`);
  return Array.from({ length: count }, (_, at) => {
    let text = template.parts[0] ?? "";
    for (const [i, { path, filters }] of template.holes.entries()) {
      const value = values[i];
      text += filtered(textOf(write(Array.isArray(value) ? value[at] : value, columns.of(path)), path), filters) + (template.parts[i + 1] ?? "");
    }
    return text;
  });
}

/** The one hole that a template is made of, blanks aside; null for any other. */
export function onlyHole({ parts, holes }: Template): string | null {
  const [only] = holes;
  return only !== undefined && holes.length === 1 && parts.every((part) => part.trim() === "") ? only.path : null;
}

function filtered(text: string, filters: readonly FilterName[]): string {
  return filters.reduce((now, name) => FILTERS[name](now), text);
}

function textOf(value: unknown, path: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  throw new LabError("bad-samples", `A template names ${show(path)}, which is ${show(value)} and no text; name what is in it, such as {{${path}.${Array.isArray(value) ? "0" : (Object.keys(value)[0] ?? "name")}}}.`);
}
