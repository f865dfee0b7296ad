/** Rows: bundled sets, tables of one's own, datasets of a Hub on this machine. */
import "fake-indexeddb/auto";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Hub } from "../../src/hub/hub.ts";
import { csvRows } from "../../src/hub/samples/csv.ts";
import { jsonLines } from "../../src/hub/samples/rows.ts";
import { isLabError } from "../../src/lib/error.ts";
import type { DatasetSource, HubOptions, LoadedRows } from "../../src/threads/hub.ts";
import { openLocalHub, type LocalHub } from "../fixtures/hub/local.ts";

let local: LocalHub;
let visits = 0;

const lines = (rows: readonly object[]) => rows.map((row) => JSON.stringify(row)).join("\n");
const numbered = (n: number) => Array.from({ length: n }, (_, i) => ({ text: `text ${i}`, label: i % 2 }));

beforeAll(async () => {
  local = await openLocalHub({ faults: true, tokens: { hf_secret: "me" } });
  local.put("datasets/alice/many", "train.jsonl", lines(numbered(1234)));
  local.put("datasets/alice/many", ".hub.json", { features: { label: { names: ["no", "yes"] } } });
  local.put("datasets/alice/parts", "easy/train.jsonl", lines(numbered(3)));
  local.put("datasets/alice/parts", "easy/test.jsonl", lines(numbered(150)));
  local.put("datasets/alice/parts", "hard/test.jsonl", lines(numbered(2)));
  local.put("datasets/alice/hidden", "train.jsonl", lines(numbered(3)));
  local.put("datasets/alice/hidden", ".hub.json", { private: true, allowed: ["hf_secret"] });
});
afterAll(() => local.close());
beforeEach(() => {
  local.faults.clear();
  local.asked();
});

async function hub(options: Partial<HubOptions> = {}): Promise<Hub> {
  const opened = new Hub();
  await opened.open({ assets: "https://site.test/", storage: `rows-${++visits}`, mounts: {}, hub: local.url, viewer: local.viewer, ...options });
  return opened;
}

async function rows(source: string | DatasetSource, { files = {}, count, seed }: { files?: Record<string, string>; count?: number; seed?: number } = {}, from?: Hub): Promise<LoadedRows> {
  const mounts = typeof source === "string" ? { [source]: Object.entries(files).map(([path, text]) => ({ path, bytes: new Blob([text]).size, blob: new Blob([text]) })) } : {};
  const samples = await (from ?? (await hub({ mounts }))).samples(source, undefined, count, seed);
  if (samples.kind !== "rows") throw new Error("no rows");
  return samples;
}

const refusal = (work: Promise<unknown>) => work.then(() => "", (error: unknown) => (isLabError(error) ? `${error.code}: ${error.message}` : Promise.reject(error as Error)));

describe("bundled sets", () => {
  const set = async (about: object, table: object[]) => rows("./set", { files: { "samples/samples.json": JSON.stringify({ samples: 1, task: "t", file: "t.jsonl", splits: {}, ...about }), "samples/t.jsonl": `${lines(table)}\n` } });
  const row = (split: string, more: object) => ({ id: `t-${split}`, split, source: "s", ...more });

  test("say how they are asked", async () => {
    const text = await set({ kind: "text_to_text", metric: "exact_match", max_new_tokens: 8, extract: "=" }, [row("optimise", { prompt: "p", answer: "a" }), row("test", { prompt: "q", answer: "b" })]);
    expect(text).toMatchObject({ split: true, told: { kind: "generation", metric: "exact_match", maxNewTokens: 8, extract: "=" }, splits: { optimise: { id: ["t-optimise"] }, validate: { id: [] }, test: { rows: [{ prompt: "q" }], cluster: ["=s"] } } });
    const classes = await set({ kind: "text_classification", metric: "accuracy", labels: ["no", "yes"] }, [row("test", { text: "x", label: 1 })]);
    expect(classes.told).toEqual({ kind: "classification", metric: "accuracy", labels: { label: ["no", "yes"] } });
    expect((await set({ kind: "multiple_choice", metric: "multiple_choice" }, [row("test", { prompt: "p", choices: [" a", " b"], answer: 0 })])).told.kind).toBe("multiple_choice");
  });

  test("are refused where they are not as they should be", async () => {
    expect(await refusal(set({ kind: "song" }, [row("test", {})]))).toMatch(/^bad-samples: \.\/set\/samples\/samples\.json: the field kind is not as it should be/);
    expect(await refusal(set({ kind: "generation" }, [row("somewhere", {})]))).toMatch(/^bad-samples: Sample 1 of \.\/set\/samples\/t\.jsonl has no split/);
    expect(await refusal(set({ kind: "generation", file: "../t.jsonl" }, []))).toMatch(/the field file/);
  });
});

describe("tables of one's own", () => {
  test("JSON Lines, JSON and CSV say the same; a file alone is not split", async () => {
    const want = [{ text: 'one, "two"', label: "no" }, { text: "three\nfour", label: "yes" }];
    const read = async (file: string, text: string) => rows(`./${file}`, { files: { [file]: text } });
    for (const [file, text] of [["a.jsonl", lines(want)], ["a.json", JSON.stringify(want)], ["b.json", JSON.stringify({ version: "1", data: want })], ["a.csv", '\uFEFFtext,label\r\n"one, ""two""",no\r\n"three\nfour",yes\r\n'], ["a.tsv", 'text\tlabel\n"one, ""two"""\tno\n"three\nfour"\tyes'], ["s.csv", 'text;label\n"one, ""two""";no\n"three\nfour";yes\n']] as const) {
      const { splits, split, columns } = await read(file, text);
      expect([file, splits.test.rows, split, columns, splits.test.id]).toEqual([file, want, false, ["text", "label"], ["row-0", "row-1"]]);
    }
  });

  test("ids from a column where they differ; rows of one source belong together", async () => {
    const read = async (table: object[]) => (await rows("./a.jsonl", { files: { "a.jsonl": lines(table) } })).splits.test;
    expect(await read([{ id: 7, text: "a", source: "x" }, { id: "8", text: "b" }])).toMatchObject({ id: ["7", "8"], cluster: ["=x", "row-1"] });
    expect(await read([{ id: 7, text: "a" }, { id: 7, text: "b" }])).toMatchObject({ id: ["row-0", "row-1"], cluster: null });
  });

  test("sides by the files' names, by a column, or by lists in one file", async () => {
    const sides = ({ split, splits }: LoadedRows) => [split, splits.optimise.rows.length, splits.validate.rows.length, splits.test.rows.length];
    const text = (n: number) => lines(numbered(n));
    expect(sides(await rows("./d", { files: { "train.jsonl": text(3), "validation.jsonl": text(2), "test.jsonl": text(1), "notes.jsonl": "{}" } }))).toEqual([true, 3, 2, 1]);
    expect(sides(await rows("./d", { files: { "data/train-00000-of-00002.jsonl": text(3), "data/train-00001-of-00002.jsonl": text(2), "data/test-00000-of-00001.jsonl": text(1) } }))).toEqual([true, 5, 0, 1]);
    expect(sides(await rows("./d.json", { files: { "d.json": JSON.stringify({ dev: numbered(2), test: numbered(4) }) } }))).toEqual([true, 0, 2, 4]);
    const column = await rows("./d.csv", { files: { "d.csv": "text,split\na,train\nb,test\nc,hidden\nd,TEST" } });
    expect(sides(column)).toEqual([true, 1, 0, 2]);
    expect(column.warnings).toEqual([{ code: "rows-without-side", message: "1 of 4 rows of ./d.csv have a split that is neither optimise, validate nor test; they are left out." }]);
  });

  test.for([
    ["a.jsonl", '{"a":1}\n{"a":', /^bad-samples: Line 2 of \.\/a\.jsonl is not valid JSON/],
    ["a.jsonl", "[1,2]", /^bad-samples: Line 1 of \.\/a\.jsonl is a list, but a row is an object/],
    ["a.jsonl", "\n \n", /^bad-samples: \.\/a\.jsonl has no rows\./],
    ["a.json", '{"a":1}', /is no list of rows/],
    ["a.json", '{"a":1}\n{"a":2}', /If it has one object a line, call it \.jsonl/],
    ["a.csv", "a,b\n1,2,3", /^bad-samples: Row 2 of \.\/a\.csv has 3 values for 2 columns \(a and b\)/],
    ["a.csv", "a,a\n1,2", /has the column "a" twice/],
    ["a.csv", 'a,b\n"1,2', /is not valid CSV: .*quot/],
    ["a.csv", "a,b\n", /^bad-samples: \.\/a\.csv has no rows\./],
  ] as const)("%s: %j is refused", async ([file, text, message]) => {
    expect(await refusal(rows(`./${file}`, { files: { [file]: text } }))).toMatch(message);
  });

  test("several tables without sides: one must be named", async () => {
    expect(await refusal(rows("./d", { files: { "a.jsonl": "{}", "b.csv": "a\n1" } }))).toMatch(/holds several tables \(a\.jsonl and b\.csv\)\. Name one of them, such as \.\/d\/a\.jsonl/);
    expect(await refusal(rows("./d", { files: { "config.json": "{}" } }))).toMatch(/holds no samples/);
  });

  test("whatever a file holds, it is rows of its own values or a sentence", () => {
    const keys = fc.oneof(fc.string({ maxLength: 8 }), fc.constantFrom("__proto__", "constructor", "toString", "id", "split"));
    fc.assert(fc.property(fc.array(fc.dictionary(keys, fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4, noNullPrototype: true }), { minLength: 1, maxLength: 6 }), (table) => {
      expect(jsonLines(lines(table), "f")).toEqual(table.map((row) => JSON.parse(JSON.stringify(row)) as unknown));
    }), { numRuns: 200 });
    const cell = fc.string({ maxLength: 12, unit: fc.constantFrom("a", '"', ",", ";", "\t", "\n", "\r", " ", "é", "=", "\u2028") });
    fc.assert(fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 6 }), (table) => {
      const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`;
      const text = ["one,two", ...table.map((line) => line.map(quoted).join(","))].join("\r\n");
      const kept = table.filter((line) => line.join("").trim() !== "");
      expect(csvRows(text, "f", "")).toEqual(kept.map(([one, two]) => ({ one, two })));
    }), { numRuns: 200 });
    // Not quoted, not closed, anything at all: a sentence or rows, never anything else.
    fc.assert(fc.property(fc.string({ maxLength: 60, unit: "grapheme" }), (text) => {
      for (const read of [() => csvRows(text, "f", ""), () => jsonLines(text, "f")]) {
        try {
          for (const row of read()) expect(Object.getPrototypeOf(row)).toBe(Object.prototype);
        } catch (error) {
          expect(isLabError(error, "bad-samples")).toBe(true);
        }
      }
    }), { numRuns: 300 });
  });
});

describe("datasets of the Hub", () => {
  const many = { dataset: "alice/many", config: "default", split: "train" };
  const pages = () => local.asked().filter((line) => line.includes("/rows")).length;

  test("as many pages as are needed, over the whole split; a larger count reads the same and more; labels are told", async () => {
    const some = await rows(many, { count: 250, seed: 1 });
    expect(pages()).toBe(1 + 3);
    expect(some.splits.test.rows.length).toBeGreaterThan(200);
    expect(Number(some.splits.test.id.at(-1)?.slice(4))).toBeGreaterThan(300); // not the first ones
    expect(some).toMatchObject({ split: false, columns: ["text", "label"], told: { labels: { label: ["no", "yes"] } }, found: { config: "default", split: "train", total: 1234 } });
    expect(some.splits.test.rows[5]?.text).toBe(`text ${some.splits.test.id[5]?.slice(4)}`);
    const more = await rows(many, { count: 600, seed: 1 });
    expect(more.splits.test.id).toEqual(expect.arrayContaining(some.splits.test.id));
    expect((await rows(many, { count: 250, seed: 2 })).splits.test.id).not.toEqual(some.splits.test.id);
    expect((await rows(many, { seed: 1 })).splits.test.id).toEqual(Array.from({ length: 1234 }, (_, i) => `row-${i}`));
  });

  test("a second run asks for nothing, until the cache is emptied", async () => {
    const storage = `rows-again-${++visits}`;
    const first = await rows(many, { count: 250, seed: 1 }, await hub({ storage }));
    local.asked();
    const again = await hub({ storage });
    const second = await rows(many, { count: 250, seed: 1 }, again);
    expect(local.asked()).toEqual([]);
    expect(second.splits).toEqual(first.splits);
    expect(second.downloadBytes).toBe(0);
    await again.cacheClear();
    await rows(many, { count: 250, seed: 1 }, again);
    expect(pages()).toBe(4);
  });

  test("configuration and split may be left out where there is no choice", async () => {
    expect((await rows({ dataset: "alice/many" }, { count: 10 })).found).toMatchObject({ config: "default", split: "train" });
    expect((await rows({ dataset: "alice/parts", config: "easy" })).found).toMatchObject({ split: "test" });
    const shots = await rows({ dataset: "alice/parts", config: "easy", split: "test", shots: "train" });
    expect(shots.shots?.rows.map(({ text }) => text)).toEqual(["text 0", "text 1", "text 2"]);
  });

  test("what is not there is named, with what there is", async () => {
    expect(await refusal(rows({ dataset: "alice/nothing" }))).toMatch(/^gated: alice\/nothing is not there, or private/);
    expect(await refusal(rows({ dataset: "alice/parts" }))).toBe("not-found: alice/parts has several configurations, so the recipe must say which: write config. There are easy and hard.");
    expect(await refusal(rows({ dataset: "alice/parts", config: "eazy", split: "test" }))).toBe('not-found: alice/parts has no configuration "eazy"; did you mean easy? There are easy and hard.');
    expect(await refusal(rows({ dataset: "alice/parts", config: "easy", split: "validation" }))).toBe('not-found: alice/parts (easy) has no split "validation". There are test and train.');
    expect(await refusal(rows({ dataset: "../alice/parts" }))).toMatch(/is no dataset of the Hub/);
    expect(await refusal(rows({ ...many, revision: "0".repeat(40) }))).toMatch(/^digest-mismatch: alice\/many is at commit .* but the recipe was made with 000000000000/);
  });

  test("the viewer's patience and failures", async () => {
    local.faults.add({ on: "viewer", path: "/rows", kind: "status", status: 429, retryAfter: 0 });
    expect((await rows(many, { count: 50 })).splits.test.rows.length).toBe(100);
    local.faults.add({ on: "viewer", path: "/rows", kind: "web-page" });
    expect(await refusal(rows(many, { count: 50 }))).toMatch(/^bad-samples: What the viewer says of alice\/many \(default, train\) is a web page/);
    local.faults.add({ on: "viewer", path: "/rows", kind: "status", status: 501, times: 3 });
    expect(await refusal(rows(many, { count: 50 }))).toMatch(/^bad-samples: The Hub's dataset viewer gives no rows of alice\/many \(default, train\) \(HTTP 501\)/);
  });

  test("a private one is read with a token, which goes to Hub and viewer only", async () => {
    const opened = await hub();
    await opened.setToken("hf_secret");
    expect((await rows({ dataset: "alice/hidden" }, {}, opened)).splits.test.rows).toHaveLength(3);
    expect(new Set(local.log.filter(({ authorized }) => authorized).map(({ on }) => on))).toEqual(new Set(["viewer"]));
  });

  test("a look: columns, how it begins, how much there is", async () => {
    const opened = await hub({ mounts: { "./a.jsonl": [{ path: "a.jsonl", bytes: 90, blob: new Blob([lines([{ q: "<b>x</b>", c: ["a", "b"] }, { q: "y".repeat(3000) }])]) }] } });
    const seen = await opened.rows("./a.jsonl");
    expect(seen).toMatchObject({ columns: ["q", "c"], count: 2, told: {} });
    expect(seen.rows[0]).toEqual({ q: "<b>x</b>", c: '["a","b"]' });
    expect(seen.rows[1]?.q).toHaveLength(1001);
    expect(await opened.rows(many)).toMatchObject({ columns: ["text", "label"], count: 1234, rows: expect.objectContaining({ length: 20 }) as unknown });
    expect(pages()).toBe(1);
  });
});
