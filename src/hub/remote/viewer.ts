/** The Hub's dataset viewer: which parts a dataset has, and its rows, at most a hundred a request. What it answers is checked here. */
import { z } from "zod";
import { isLabError, LabError } from "../../lib/error.ts";
import { list, nearest, show } from "../../lib/words.ts";
import { parseJson } from "../check.ts";
import type { Connection, Subject } from "./connection.ts";

export const PAGE_ROWS = 100;

/** One split of one configuration. */
export interface DatasetPart {
  readonly dataset: string;
  readonly config: string;
  readonly split: string;
}

export interface RowsPage {
  /** Commit of the dataset that these rows are of; null where the viewer does not tell. */
  readonly revision: string | null;
  /** Rows of the whole split. */
  readonly total: number;
  readonly columns: readonly string[];
  /** Names of classes, by column. */
  readonly labels: Readonly<Record<string, readonly string[]>>;
  readonly rows: readonly { readonly number: number; readonly row: Record<string, unknown>; readonly cut: boolean }[];
  readonly bytes: number;
}

const name = z.string().max(512);
const splits = z.object({ splits: z.array(z.object({ config: name, split: name })).max(100_000) });
const page = z.object({
  features: z.array(z.object({ name, type: z.unknown() })).max(10_000),
  rows: z.array(z.object({ row_idx: z.int().min(0), row: z.record(z.string(), z.unknown()), truncated_cells: z.array(z.string()).default([]) })).max(PAGE_ROWS),
  num_rows_total: z.int().min(0),
});
const classLabel = z.object({ _type: z.literal("ClassLabel"), names: z.array(name).max(100_000) });

export const partName = ({ dataset, config, split }: DatasetPart): string => `${dataset} (${config}, ${split})`;

const subjectOf = (connection: Connection, dataset: string, what = dataset): Subject => ({ name: what, page: `${connection.address.hub}/datasets/${dataset}` });

/** Configuration and split where one is left out: the only one, else the usual one. Names what there is where they are not. */
export async function findPart(connection: Connection, { dataset, config, split }: { dataset: string; config?: string | undefined; split?: string | undefined }): Promise<DatasetPart> {
  const all = await partsOf(connection, dataset);
  const configs = [...new Set(all.map((one) => one.config))];
  const chosen = oneOf(dataset, "configuration", "config", config, configs, ["default"]);
  const inIt = all.filter((one) => one.config === chosen).map((one) => one.split);
  return { dataset, config: chosen, split: oneOf(`${dataset} (${chosen})`, "split", "split", split, inIt, ["validation", "test"]) };
}

function oneOf(of: string, what: string, field: string, asked: string | undefined, there: readonly string[], usual: readonly string[]): string {
  const shown = `There are ${list(there.slice(0, 20).map((one) => one.slice(0, 60)))}${there.length > 20 ? " …" : ""}`;
  if (asked !== undefined) {
    if (there.includes(asked)) return asked;
    const near = nearest(asked, there);
    throw new LabError("not-found", `${of} has no ${what} ${show(asked)}${near === null ? "" : `; did you mean ${near}?`}. ${shown}.`.replace("?.", "?"), { details: { [field]: asked, there: there.slice(0, 100) } });
  }
  const found = there.length === 1 ? there[0] : usual.find((one) => there.includes(one));
  if (found === undefined) throw new LabError("not-found", `${of} has several ${what}s, so the recipe must say which: write ${field}. ${shown}.`, { details: { there: there.slice(0, 100) } });
  return found;
}

async function partsOf(connection: Connection, dataset: string): Promise<{ config: string; split: string }[]> {
  const subject = subjectOf(connection, dataset);
  const { text } = await get(connection, `splits?${new URLSearchParams({ dataset })}`, subject);
  const found = parseJson(text, splits, `The list of splits of ${dataset}`, "bad-samples").splits;
  if (found.length === 0) throw new LabError("bad-samples", `${dataset} has no splits that the Hub's viewer can show. Download it and give the file.`);
  return found;
}

export async function readPage(connection: Connection, part: DatasetPart, offset: number, length: number): Promise<RowsPage> {
  const { dataset, config, split } = part;
  const subject = subjectOf(connection, dataset, partName(part));
  const query = new URLSearchParams({ dataset, config, split, offset: String(offset), length: String(length) });
  const { text, revision } = await get(connection, `rows?${query}`, subject);
  const { features, rows, num_rows_total } = parseJson(text, page, `What the viewer says of ${subject.name}`, "bad-samples");
  return {
    revision,
    total: num_rows_total,
    columns: features.map((feature) => feature.name),
    labels: Object.fromEntries(features.flatMap((feature) => {
      const label = classLabel.safeParse(feature.type);
      return label.success ? [[feature.name, label.data.names]] : [];
    })),
    rows: rows.map(({ row_idx, row, truncated_cells }) => ({ number: row_idx, row, cut: truncated_cells.length > 0 })),
    bytes: text.length,
  };
}

async function get(connection: Connection, route: string, subject: Subject): Promise<{ text: string; revision: string | null }> {
  try {
    return await connection.ask(`${connection.address.viewer}/${route}`, subject, async (response) => ({ text: await response.text(), revision: response.headers.get("X-Revision") }), { cache: "no-store" });
  } catch (error) {
    const status = isLabError(error, "offline") ? (error.cause as { status?: number } | undefined)?.status : undefined;
    if (status === undefined) throw error;
    throw new LabError("bad-samples", `The Hub's dataset viewer gives no rows of ${subject.name} (HTTP ${status}): it is busy, or knows not how to read this dataset. Try again in a while, or download it and give the file.`, { cause: error });
  }
}
