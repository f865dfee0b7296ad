/**
 * Rows of a Hub dataset. So many pages of a hundred are read as the samples asked for need, drawn by the recipe's seed over the whole split
 * and not from its beginning, since many datasets are sorted; a larger count reads the same pages and more. What came is kept by the
 * dataset's commit, so a second run asks for nothing.
 */
import { z } from "zod";
import { LabError } from "../../lib/error.ts";
import { SeededStream } from "../../lib/stream.ts";
import type { DatasetSource, HubProgress, LoadedRows } from "../../threads/hub.ts";
import { Gate } from "../gate.ts";
import { type DatasetPart, findPart, PAGE_ROWS, partName, readPage, type RowsPage } from "../remote/viewer.ts";
import type { Place } from "../sources/source.ts";
import { columnsOf, type Numbered, partOf, unsplit } from "./rows.ts";

/** Rows of one split at most: fifty requests. */
export const MOST_ROWS = 5000;
/** Enough for five of each of MMLU's subjects. */
const SHOTS_ROWS = 300;
const AT_ONCE = 4;

/** What is known of a split between visits. */
const known = z.object({
  config: z.string(), split: z.string(), revision: z.string().nullable(), total: z.int().min(0),
  columns: z.array(z.string()), labels: z.record(z.string(), z.array(z.string())),
});
type Known = z.infer<typeof known>;

const keptPage = z.array(z.object({ number: z.int().min(0), row: z.record(z.string(), z.unknown()), cut: z.boolean() }));
type KeptPage = z.infer<typeof keptPage>;

export interface DatasetOrder {
  /** Rows that are enough; all (up to 5,000) unless told. */
  readonly rows?: number | undefined;
  readonly seed?: number | undefined;
  /** From the beginning, for a look. */
  readonly first?: boolean;
}

export async function loadDataset(source: DatasetSource, order: DatasetOrder, place: Place, onProgress?: HubProgress): Promise<LoadedRows> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(source.dataset)) throw new LabError("bad-samples", `${source.dataset.slice(0, 120)} is no dataset of the Hub: write owner/name.`);
  const rows = await new Split(source, place, onProgress).read(order);
  const apart = source.shots !== undefined && source.shots !== rows.split.split;
  const shots = apart ? await new Split({ ...source, config: rows.split.config, split: source.shots, revision: undefined }, place, onProgress).read({ rows: SHOTS_ROWS, first: true }) : null;
  const { config, split, revision, columns, labels, total } = rows.split;
  const cut = rows.cut === 0 ? {} : { warnings: [{ code: "rows-cut", message: `${rows.cut} rows of ${partName({ ...source, config, split })} have texts too long for the Hub's viewer; they are left out.` }] };
  return {
    kind: "rows",
    columns: columns.length > 0 ? columns : columnsOf(rows.numbered.map(({ row }) => row)),
    told: Object.keys(labels).length === 0 ? {} : { labels },
    ...unsplit(partOf(rows.numbered, "numbers")),
    ...(shots ? { shots: shotsOf(shots.numbered) } : {}),
    found: { config, split, total, ...(revision === null ? {} : { revision }) },
    downloadBytes: rows.bytes + (shots?.bytes ?? 0),
    ...cut,
  };
}

const shotsOf = (numbered: readonly Numbered[]) => {
  const { rows, id } = partOf(numbered, "numbers");
  return { rows, id };
};

interface ReadRows {
  readonly split: Known;
  readonly numbered: readonly Numbered[];
  /** Rows left out because the viewer cut a text. */
  readonly cut: number;
  /** That came over the network. */
  readonly bytes: number;
}

class Split {
  #bytes = 0;
  /** Of a look at it that has just been made: the same page is not asked for twice. */
  #seen: { offset: number; page: RowsPage } | null = null;

  constructor(private readonly source: DatasetSource, private readonly place: Place, private readonly onProgress?: HubProgress) {}

  async read(order: DatasetOrder, fresh = false): Promise<ReadRows> {
    const split = await this.#known(fresh, order.first ? PAGE_ROWS : 1);
    const offsets = pagesOf(split, this.source.dataset, order);
    const gate = new Gate(AT_ONCE);
    const begun = this.#bytes;
    let done = 0;
    const pages = await Promise.all(offsets.map((offset) => gate.pass(async () => {
      const page = await this.#page(split, offset);
      const loaded = this.#bytes - begun;
      this.onProgress?.({ file: partName({ ...this.source, ...split }), state: loaded > 0 ? "download" : "cached", loaded, total: Math.round((loaded / ++done) * offsets.length) });
      return page;
    })));
    // The dataset was changed while it was read: rows of two commits are no sample of either.
    if (pages.includes(null)) {
      if (fresh) throw new LabError("bad-samples", `${this.source.dataset} changes while it is read. Try again in a while.`);
      return this.read(order, true);
    }
    const rows = pages.flatMap((page) => page ?? []).sort((a, b) => a.number - b.number);
    return { split, numbered: rows.filter(({ cut }) => !cut), cut: rows.filter(({ cut }) => cut).length, bytes: this.#bytes };
  }

  async #known(fresh: boolean, length: number): Promise<Known> {
    const { dataset, config, split, revision } = this.source;
    const { remote, shelf } = this.place;
    const { connection } = remote;
    // "revision:": what a name stood for; goes when anything is deleted from the cache.
    const key = `revision:rows:${connection.address.viewer}/${JSON.stringify([dataset, config ?? null, split ?? null])}`;
    const kept = fresh ? null : parsed(await shelf.cache.find(key), known);
    if (kept && (revision === undefined || kept.revision === revision)) return kept;
    const part = await this.#part();
    const page = await this.#first(part, length);
    const found: Known = { config: part.config, split: part.split, revision: page.revision, total: page.total, columns: [...page.columns], labels: Object.fromEntries(Object.entries(page.labels).map(([name, names]) => [name, [...names]])) };
    if (revision !== undefined && page.revision !== null && page.revision !== revision) {
      throw new LabError("digest-mismatch", `${dataset} is at commit ${page.revision.slice(0, 12)}…, but the recipe was made with ${revision.slice(0, 12)}…, and the Hub's viewer shows the newest only. Leave revision out of the recipe to take it as it is.`);
    }
    await shelf.cache.keep(key, partName({ dataset, ...found }), encoded(found));
    return found;
  }

  /** Asks which parts there are only where the recipe leaves one out. */
  async #part(): Promise<DatasetPart> {
    const { dataset, config, split } = this.source;
    if (config !== undefined && split !== undefined) return { dataset, config, split };
    return findPart(this.place.remote.connection, this.source);
  }

  async #first(part: DatasetPart, length: number): Promise<RowsPage> {
    const { connection } = this.place.remote;
    try {
      const page = await readPage(connection, part, 0, length);
      this.#bytes += page.bytes;
      this.#seen = length === PAGE_ROWS ? { offset: 0, page } : null;
      return page;
    } catch (error) {
      if (error instanceof LabError && error.code === "not-found") await findPart(connection, part); // says what there is
      throw error;
    }
  }

  /** null: of another commit than the split was looked at. */
  async #page(split: Known, offset: number): Promise<KeptPage | null> {
    const { remote: { connection }, shelf: { cache } } = this.place;
    const part = { dataset: this.source.dataset, config: split.config, split: split.split };
    const key = `rows:${connection.address.viewer}/${JSON.stringify([part.dataset, split.revision, part.config, part.split, offset])}`;
    const kept = parsed(await cache.find(key), keptPage);
    if (kept) return kept;
    const seen = this.#seen?.offset === offset ? this.#seen.page : null;
    const page = seen ?? (await readPage(connection, part, offset, PAGE_ROWS));
    if (!seen) this.#bytes += page.bytes;
    if (page.revision !== split.revision) return null;
    const rows = page.rows.map(({ number, row, cut }) => ({ number, row, cut }));
    await cache.keep(key, `${partName(part)}, rows from ${offset}`, encoded(rows));
    return rows;
  }
}

/** Where the pages begin that are read: so many as are needed, in an order that hangs on seed and split alone. */
function pagesOf({ config, split, total }: Known, dataset: string, { rows = MOST_ROWS, seed = 0, first }: DatasetOrder): number[] {
  const there = Math.ceil(total / PAGE_ROWS);
  const wanted = Math.min(there, Math.ceil(Math.min(rows, MOST_ROWS) / PAGE_ROWS));
  const order = first || wanted === there ? Uint32Array.from({ length: there }, (_, i) => i) : new SeededStream(seed, `pages/${dataset}/${config}/${split}`).permutation(there);
  return Array.from(order.subarray(0, wanted), (at) => at * PAGE_ROWS);
}

const encoded = (value: unknown): Uint8Array<ArrayBuffer> => new TextEncoder().encode(JSON.stringify(value));

/** null: not there, or of another version of the lab. */
function parsed<T>(bytes: Uint8Array | null, schema: z.ZodType<T>): T | null {
  if (!bytes) return null;
  try {
    return schema.parse(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return null;
  }
}
