/** Tables of one's own: JSON Lines, JSON or CSV, a file alone or several in a folder, one a side (train, validation, test). */
import { LabError } from "../../lib/error.ts";
import { list } from "../../lib/words.ts";
import type { HubProgress, LoadedRows } from "../../threads/hub.ts";
import type { Folder } from "../sources/source.ts";
import { csvRows } from "./csv.ts";
import { asRow, columnsOf, jsonLines, type Numbered, partOf, type Row, type Side, sideNamed, splitBy, unsplit } from "./rows.ts";
import type { SampleKind } from "./samples.ts";

const TABLE = /^(?:data\/)?[^/]+\.(?:jsonl|ndjson|json|csv|tsv)$/i;
/** What stands beside models and is no table. */
const OTHERS = /(^|\/)(?:[\w-]*config|tokenizer|vocab|names|special_tokens_map|added_tokens|package|dataset_infos?|model[\w.-]*index)\.json$/i;

/** All of it is held in memory, several times over. */
const MOST_BYTES = 256 << 20;

const stem = (path: string): string => path.slice(path.lastIndexOf("/") + 1).replace(/\.\w+$/, "");
/** A Hub's own way of naming parts: train-00000-of-00001. */
const sideOfFile = (path: string): Side | null => sideNamed(stem(path).replace(/-\d+-of-\d+$/, ""));

/** The reference's own file where it names one. */
function tablesIn({ reference, files }: Folder): string[] {
  const paths = files.map(({ path }) => path);
  const named = reference.slice(reference.lastIndexOf("/") + 1);
  if (TABLE.test(named) && paths.includes(named)) return [named];
  return paths.filter((path) => TABLE.test(path) && !OTHERS.test(path));
}

export const tables: SampleKind = {
  matches: (folder) => tablesIn(folder).length > 0,
  async load(folder, onProgress) {
    const paths = tablesIn(folder);
    const [only] = paths;
    if (only !== undefined && paths.length === 1) return oneTable(folder, only, onProgress);
    const sides = paths.filter((path) => sideOfFile(path) !== null);
    if (sides.length === 0) {
      throw new LabError("bad-samples", `${folder.reference} holds several tables (${list(paths.slice(0, 6))}${paths.length > 6 ? " …" : ""}). Name one of them, such as ${folder.reference}/${only ?? ""}, or call them train, validation and test.`);
    }
    return byFile(folder, sides, onProgress);
  },
};

async function oneTable(folder: Folder, path: string, onProgress?: HubProgress): Promise<LoadedRows> {
  const { rows, sides, downloaded } = await read(folder, path, onProgress);
  if (sides) return { kind: "rows", columns: columnsOf(rows), told: {}, ...sides, downloadBytes: downloaded };
  const numbered = rows.map((row, number) => ({ row, number }));
  const columns = columnsOf(rows);
  const common = { kind: "rows" as const, columns, told: {}, downloadBytes: downloaded };
  const lost = numbered.filter(({ row }) => sideNamed(row.split) === null).length;
  if (!columns.includes("split") || lost === rows.length) return { ...common, ...unsplit(partOf(numbered)) };
  const warnings = lost === 0 ? {} : { warnings: [{ code: "rows-without-side", message: `${lost} of ${rows.length} rows of ${nameOf(folder, path)} have a split that is neither optimise, validate nor test; they are left out.` }] };
  return { ...common, ...splitBy("split", numbered), ...warnings };
}

async function byFile(folder: Folder, paths: readonly string[], onProgress?: HubProgress): Promise<LoadedRows> {
  const sides: Record<Side, Numbered[]> = { optimise: [], validate: [], test: [] };
  let downloadBytes = 0;
  for (const path of paths) {
    const { rows, downloaded } = await read(folder, path, onProgress);
    const side = sides[sideOfFile(path) ?? "test"];
    side.push(...rows.map((row, i) => ({ row, number: side.length + i })));
    downloadBytes += downloaded;
  }
  const { optimise, validate, test } = sides;
  const columns = columnsOf([...optimise, ...validate, ...test].map(({ row }) => row));
  return { kind: "rows", columns, told: {}, split: true, splits: { optimise: partOf(optimise), validate: partOf(validate), test: partOf(test) }, downloadBytes };
}

interface Table {
  readonly rows: Row[];
  /** Where one file has a list of rows a side. */
  readonly sides?: Pick<LoadedRows, "split" | "splits">;
}

async function read(folder: Folder, path: string, onProgress?: HubProgress): Promise<Table & { downloaded: number }> {
  const name = nameOf(folder, path);
  const listed = folder.files.find((file) => file.path === path)?.bytes ?? 0;
  if (listed > MOST_BYTES) throw new LabError("bad-samples", `${name} has ${Math.round(listed / 1e6)} MB; at most ${MOST_BYTES >> 20} MiB of rows are read. Take a part of it.`);
  const { bytes, downloaded } = await folder.read(path, onProgress);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new LabError("bad-samples", `${name} is not text in UTF-8. Save it with that encoding.`, { cause });
  }
  const table = tableIn(text, path, name);
  if (table.rows.length === 0) throw new LabError("bad-samples", `${name} has no rows.`);
  return { ...table, downloaded };
}

function tableIn(text: string, path: string, name: string): Table {
  if (/\.(csv|tsv)$/i.test(path)) return { rows: csvRows(text, name, /\.tsv$/i.test(path) ? "\t" : "") };
  return /\.json$/i.test(path) ? jsonTable(text, name) : { rows: jsonLines(text, name) };
}

/** A list of rows, an object in which one list of rows stands, or one in which a list stands for each side. */
function jsonTable(text: string, name: string): Table {
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw new LabError("bad-samples", `${name} is not valid JSON (${(cause as Error).message}). If it has one object a line, call it .jsonl.`, { cause });
  }
  const lists: [string, unknown[]][] = Array.isArray(value) ? [["", value]] : Object.entries(typeof value === "object" && value !== null ? value : {}).filter((entry): entry is [string, unknown[]] => Array.isArray(entry[1]));
  const rows = (list: unknown[]) => list.map((row, i) => asRow(row, `Row ${i + 1} of ${name}`));
  const [only] = lists;
  if (only !== undefined && lists.length === 1) return { rows: rows(only[1]) };
  const named = lists.map(([key, list]) => [sideNamed(key), list] as const);
  const sides = new Set(named.map(([side]) => side));
  if (lists.length === 0 || sides.has(null) || sides.size !== lists.length) {
    throw new LabError("bad-samples", `${name} is no list of rows: it must be [{ … }, { … }], or an object with one such list in it, or with one for each of train, validation and test.`);
  }
  const of = (side: Side) => partOf(rows(named.find(([found]) => found === side)?.[1] ?? []).map((row, number) => ({ row, number })));
  const splits = { optimise: of("optimise"), validate: of("validate"), test: of("test") };
  return { rows: [...splits.optimise.rows, ...splits.validate.rows, ...splits.test.rows], sides: { split: true, splits } };
}

const nameOf = (folder: Folder, path: string): string => (folder.reference.endsWith(path) ? folder.reference : `${folder.reference}/${path}`);
