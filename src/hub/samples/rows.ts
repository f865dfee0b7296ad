/** Records as they come from outside, checked: what every source of rows shares. */
import { LabError } from "../../lib/error.ts";
import { show } from "../../lib/words.ts";
import type { LoadedRows, RowsPreview } from "../../threads/hub.ts";

export type Row = Record<string, unknown>;
type Part = LoadedRows["splits"]["test"];
export type Side = keyof LoadedRows["splits"];

/** Names a side goes by in files, columns and on the Hub. */
const SIDES: Readonly<Record<string, Side>> = { optimise: "optimise", optimize: "optimise", train: "optimise", validate: "validate", validation: "validate", valid: "validate", val: "validate", dev: "validate", test: "test" };

export const sideNamed = (name: unknown): Side | null => (typeof name === "string" && Object.hasOwn(SIDES, name.trim().toLowerCase()) ? (SIDES[name.trim().toLowerCase()] ?? null) : null);

/** Objects of plain values; anything else is refused, with the line or number it stands at. */
export function asRow(value: unknown, where: string): Row {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Row;
  throw new LabError("bad-samples", `${where} is ${show(value)}, but a row is an object with a value for each column: { "text": "…", "label": "…" }.`);
}

/** One object a line. Empty lines are passed over. */
export function jsonLines(text: string, file: string): Row[] {
  return text.replace(/^\uFEFF/, "").split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const where = `Line ${i + 1} of ${file}`;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      throw new LabError("bad-samples", `${where} is not valid JSON (${(cause as Error).message}). Each line must be one object.`, { cause });
    }
    return [asRow(value, where)];
  });
}

/** Names of columns, first seen first. */
export function columnsOf(rows: readonly Row[]): string[] {
  const names = new Set<string>();
  for (const row of rows) for (const name of Object.keys(row)) names.add(name);
  return [...names];
}

/** Where a row stood in its source, for rows without an id. */
export interface Numbered {
  readonly row: Row;
  readonly number: number;
}

/**
 * A column `id` names samples where every row has another; else, and by `numbers`, "row-N", counted from 0. A column `source` or `cluster`
 * says what belongs together.
 */
export function partOf(numbered: readonly Numbered[], by: "columns" | "numbers" = "columns"): Part {
  const ids = by === "numbers" ? [""] : numbered.map(({ row }) => (typeof row.id === "string" || typeof row.id === "number" ? String(row.id).trim() : ""));
  const own = ids.every((id) => id !== "" && id.length <= 200) && new Set(ids).size === ids.length;
  const together = by === "numbers" ? undefined : ["source", "cluster"].find((name) => numbered.some(({ row }) => Object.hasOwn(row, name)));
  return {
    rows: numbered.map(({ row }) => row),
    id: own ? ids : numbered.map(({ number }) => `row-${number}`),
    // Rows without one stand for themselves.
    cluster: together === undefined ? null : numbered.map(({ row, number }) => (typeof row[together] === "string" || typeof row[together] === "number" ? `=${row[together]}` : `row-${number}`)),
  };
}

/** All of one pool: which side a sample falls on is the sample rule's business. */
export function unsplit(part: Part): Pick<LoadedRows, "split" | "splits"> {
  return { split: false, splits: { optimise: part, validate: part, test: part } };
}

/** By a column that says the side of each row. Rows with no side are left out. */
export function splitBy(column: string, numbered: readonly Numbered[]): Pick<LoadedRows, "split" | "splits"> {
  const of = (side: Side) => partOf(numbered.filter(({ row }) => sideNamed(row[column]) === side));
  return { split: true, splits: { optimise: of("optimise"), validate: of("validate"), test: of("test") } };
}

const PREVIEW_CHARACTERS = 1000;

/** The first rows as text. */
export function previewOf({ columns, told, split, splits, found }: LoadedRows, limit: number): RowsPreview {
  const all = split ? [...splits.optimise.rows, ...splits.validate.rows, ...splits.test.rows] : splits.test.rows;
  return {
    columns,
    rows: all.slice(0, limit).map((row) => Object.fromEntries(columns.map((name) => [name, valueText(Object.hasOwn(row, name) ? row[name] : undefined)]))),
    count: found?.total ?? all.length,
    told,
  };
}

function valueText(value: unknown): string {
  const text = value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > PREVIEW_CHARACTERS ? `${text.slice(0, PREVIEW_CHARACTERS)}…` : text;
}
