/**
 * What a link holds, before deflate:
 *   recipe: length, JSON · runs: count, then each
 *   place in [...runs, ...compare] · digest: 0, or 1 and 32 bytes · rows · columns (tasks with a score)
 *   columns' places in tasks · a flag byte a row: 1 diverged · fitness: 0 when it is the mean of the scores, else 1 and f64
 *   scores: f32, task by task · counts: 0, or 1 and a count + 1 each, 0 where there is none
 */
import { aggregate } from "../../fitness/aggregate.ts";
import type { Recipe } from "../schema.ts";
import type { SharedRun } from "../link.ts";
import { ByteReader, ByteWriter } from "./bytes.ts";

type Row = SharedRun["rows"][number];

const MOST_ROWS = 100_000;
const DIVERGED = 1;

export function pack({ recipe, rows, digests }: SharedRun): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter();
  const json = new TextEncoder().encode(JSON.stringify(recipe));
  out.count(json.length);
  out.bytes(json);
  const ids = runIds(recipe);
  const shared = ids.filter((id) => Object.hasOwn(digests, id) || rows.some(({ run }) => run === id));
  out.count(shared.length);
  for (const id of shared) {
    out.count(ids.indexOf(id));
    packDigest(out, Object.hasOwn(digests, id) ? digests[id] : undefined);
    // The place in the list is the evaluation's number.
    packRows(out, recipe, rows.filter(({ run }) => run === id).sort((a, b) => a.evaluation - b.evaluation));
  }
  return out.done();
}

export function unpack(bytes: Uint8Array, parse: (json: unknown) => Recipe): SharedRun {
  const from = new ByteReader(bytes);
  const recipe = parse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(from.bytes(from.count(bytes.length)))));
  const ids = runIds(recipe);
  const rows: Row[] = [];
  const digests: Record<string, string> = {};
  const seen = new Set<string>();
  for (let left = from.count(ids.length); left > 0; left--) {
    const id = ids[from.count(ids.length - 1)];
    if (id === undefined || seen.has(id)) throw new RangeError("names a run twice");
    seen.add(id);
    const digest = unpackDigest(from);
    if (digest !== null) digests[id] = digest;
    rows.push(...unpackRows(from, recipe, id));
  }
  from.end();
  return { recipe, rows, digests };
}

function runIds(recipe: Recipe): string[] {
  return [...recipe.runs, ...recipe.compare].map(({ id }) => id);
}

function packDigest(out: ByteWriter, digest: string | undefined): void {
  const hex = digest?.match(/^sha256:([0-9a-f]{64})$/)?.[1];
  out.byte(hex === undefined ? 0 : 1);
  for (let i = 0; hex !== undefined && i < 64; i += 2) out.byte(Number.parseInt(hex.slice(i, i + 2), 16));
}

function unpackDigest(from: ByteReader): string | null {
  if (from.byte() === 0) return null;
  return `sha256:${Array.from(from.bytes(32), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function packRows(out: ByteWriter, recipe: Recipe, rows: readonly Row[]): void {
  const whole = rows.findIndex(({ evaluation }, i) => evaluation !== i);
  if (whole >= 0) throw new RangeError(`Evaluation ${whole} is missing, so the run cannot be shared.`);
  const columns = recipe.tasks.flatMap(({ id }, place) => (rows.some(({ tasks }) => Object.hasOwn(tasks, id)) ? [{ id, place }] : []));
  out.count(rows.length);
  out.count(columns.length);
  for (const { place } of columns) out.count(place);
  for (const row of rows) out.byte(row.fitness === null ? DIVERGED : 0);
  const isMean = rows.every((row) => row.fitness === null || row.fitness === meanOf(recipe, row.tasks));
  out.byte(isMean ? 0 : 1);
  if (!isMean) out.planes(Float64Array.from(rows, ({ fitness }) => fitness ?? NaN));
  out.planes(Float32Array.from(columns.flatMap(({ id }) => rows.map(({ tasks }) => tasks[id] ?? NaN))));
  const counted = rows.some(({ counts }) => counts !== undefined && Object.keys(counts).length > 0);
  out.byte(counted ? 1 : 0);
  if (counted) for (const { id } of columns) for (const { counts } of rows) out.count(counts?.[id] === undefined ? 0 : counts[id] + 1);
}

function unpackRows(from: ByteReader, recipe: Recipe, run: string): Row[] {
  const n = from.count(MOST_ROWS);
  const columns = Array.from({ length: from.count(recipe.tasks.length) }, () => recipe.tasks[from.count(recipe.tasks.length - 1)]?.id ?? "");
  const flags = from.bytes(n);
  const fitness = from.byte() === 0 ? null : from.planes(new Float64Array(n));
  const scores = from.planes(new Float32Array(n * columns.length));
  const counted = from.byte() === 1;
  const counts = Array.from({ length: counted ? n * columns.length : 0 }, () => from.count(1_000_001));
  return Array.from({ length: n }, (_, evaluation): Row => {
    const tasks = Object.fromEntries(columns.flatMap((id, k) => finite(id, scores[k * n + evaluation])));
    const told = fitness?.[evaluation] ?? meanOf(recipe, tasks);
    const right = Object.fromEntries(columns.flatMap((id, k) => ((counts[k * n + evaluation] ?? 0) > 0 ? [[id, (counts[k * n + evaluation] ?? 0) - 1]] : [])));
    // A number that is none can come only from a forged link: such a row counts as diverged.
    const diverged = flags[evaluation] === DIVERGED || !Number.isFinite(told);
    const scored = { run, evaluation, fitness: diverged ? null : told, tasks, ...(Object.keys(right).length > 0 ? { counts: right } : {}) };
    return diverged ? { ...scored, diverged: true } : scored;
  });
}

function finite(id: string, value: number | undefined): [string, number][] {
  return value !== undefined && Number.isFinite(value) ? [[id, value]] : [];
}

function meanOf(recipe: Recipe, tasks: Record<string, number>): number {
  return aggregate(recipe.tasks, tasks, "mean");
}
