/**
 * Which samples a task takes on each side (the sample rule of docs/recipe.md). A source that keeps its sides apart is
 * drawn from side by side. Any other is cut by a number per sample id, in fixed shares, so that no count ever moves a
 * sample to another side. Then each side is shuffled once, and a count takes the first of it.
 */
import { LabError } from "../lib/error.ts";
import { SeededStream } from "../lib/stream.ts";

export type Side = "optimise" | "validate" | "test";

/** Test comes first: it is what everything else is judged by. */
const SIDES = ["test", "validate", "optimise"] as const;

interface Task {
  readonly id: string;
  readonly source: string | { readonly dataset: string; readonly config?: string | undefined; readonly split?: string | undefined };
  readonly optimise: number | readonly string[];
  readonly validate: number | readonly string[];
  readonly test: number | readonly string[];
}

interface Part {
  readonly id: readonly string[];
}

/** `split: false`: what lies on which side of `splits` says nothing, all of it is one pool. */
interface Source<P extends Part> {
  readonly split: boolean;
  readonly splits: Readonly<Record<Side, P>>;
}

export interface Drawn<P extends Part> {
  readonly from: P;
  readonly indices: number[];
}

/** Where a sample lies: a part of the source, and its place there. */
export interface Place<P extends Part> {
  readonly id: string;
  readonly from: P;
  readonly index: number;
}

/** Share of an unsplit source that is test, then validate; the rest is optimise. */
export const SHARES = { test: 0.5, validate: 0.2 } as const;

/**
 * Rows of an unsplit source that surely hold what a task asks for: each side's count by its share, and four standard deviations of luck.
 * undefined: all, where samples are named or examples must be alike in something.
 */
export function rowsFor({ optimise, validate, test, few_shot = 0, few_shot_by }: Pick<Task, Side> & { readonly few_shot?: number | readonly unknown[] | undefined; readonly few_shot_by?: string | undefined }): number | undefined {
  if (typeof optimise !== "number" || typeof validate !== "number" || typeof test !== "number" || few_shot_by !== undefined) return undefined;
  const shots = typeof few_shot === "number" ? few_shot : 0;
  const need = (count: number, share: number) => (count === 0 ? 0 : (count + 4 * Math.sqrt(count * (1 - share)) + 4) / share);
  return Math.ceil(Math.max(need(optimise + shots, 1 - SHARES.test - SHARES.validate), need(validate, SHARES.validate), need(test, SHARES.test)));
}

/** The side of one sample of an unsplit source. */
export function sideOf(seed: number, source: string, id: string): Side {
  const u = new SeededStream(seed, `side/${source}/${id}`).next();
  if (u < SHARES.test) return "test";
  return u < SHARES.test + SHARES.validate ? "validate" : "optimise";
}

export function drawSamples<P extends Part>(task: Task, source: Source<P>, seed: number): Record<Side, Drawn<P>> {
  const pools = poolsOf(task, source, seed);
  const drawn = {} as Record<Side, Drawn<P>>;
  for (const side of SIDES) drawn[side] = drawSide(task, side, pools[side], source.splits[side], streamOf(task, side, seed));
  return drawn;
}

/** Samples that could optimise and are on no side, the last of the pool's order first: counts take from its beginning. */
export function spare<P extends Part>(task: Task, source: Source<P>, drawn: Readonly<Record<Side, Drawn<P>>>, seed: number): Place<P>[] {
  const pool = poolsOf(task, source, seed).optimise;
  const taken = new Set(SIDES.flatMap((side) => drawn[side].indices.map((index) => drawn[side].from.id[index])));
  return Array.from(streamOf(task, "optimise", seed).permutation(pool.length), (at) => pool[at]).filter((place) => place !== undefined && !taken.has(place.id)).reverse() as Place<P>[];
}

const streamOf = (task: Task, side: Side, seed: number) => new SeededStream(seed, `samples/${sourceName(task.source)}/${side}`);

function poolsOf<P extends Part>(task: Task, source: Source<P>, seed: number): Pools<P> {
  return source.split ? splitPools(task, source) : cutPools(task, source, seed, sourceName(task.source));
}

/** Two tasks on one source draw alike, so that no sample is tested in one and searched in the other. */
function sourceName(source: Task["source"]): string {
  return typeof source === "string" ? source : [source.dataset, source.config ?? "", source.split ?? ""].join("/");
}

type Pools<P extends Part> = Record<Side, Place<P>[]>;

function splitPools<P extends Part>(task: Task, { splits }: Source<P>): Pools<P> {
  const pool = (side: Side) => places(task, [splits[side]]);
  return { test: pool("test"), validate: pool("validate"), optimise: pool("optimise") };
}

function cutPools<P extends Part>(task: Task, { splits }: Source<P>, seed: number, name: string): Pools<P> {
  const listed = new Map<string, Side>(); // a sample named in a list leaves the pool it would have fallen into
  for (const side of SIDES) if (typeof task[side] !== "number") for (const id of task[side]) listed.set(id, side);
  const pools: Pools<P> = { test: [], validate: [], optimise: [] };
  const parts = [...new Set(SIDES.map((side) => splits[side]))];
  for (const place of places(task, parts)) pools[listed.get(place.id) ?? sideOf(seed, name, place.id)].push(place);
  return pools;
}

function places<P extends Part>(task: Task, parts: readonly P[]): Place<P>[] {
  const all = parts.flatMap((from) => from.id.map((id, index) => ({ id, from, index })));
  const seen = new Set<string>();
  for (const { id } of all) {
    if (seen.has(id)) throw new LabError("bad-samples", `The samples of task ${task.id} have the id ${id} twice; ids must differ.`);
    seen.add(id);
  }
  return all;
}

function drawSide<P extends Part>(task: Task, side: Side, pool: readonly Place<P>[], empty: P, stream: SeededStream): Drawn<P> {
  const wanted = task[side];
  const taken = typeof wanted === "number" ? drawCount(task, side, wanted, pool, stream) : named(task, side, wanted, pool);
  const from = taken[0]?.from ?? empty;
  if (taken.some((place) => place.from !== from)) {
    throw new LabError("bad-samples", `Task ${task.id} takes ${side} samples from several parts of a source that is not split; such a source must come as one part.`);
  }
  return { from, indices: taken.map(({ index }) => index) };
}

function drawCount<P extends Part>(task: Task, side: Side, count: number, pool: readonly Place<P>[], stream: SeededStream): Place<P>[] {
  if (count > pool.length) {
    throw new LabError("too-few-samples", `Task ${task.id} asks for ${count} samples to ${side}, but its source has ${pool.length} on that side; ask for at most ${pool.length}.`, {
      details: { task: task.id, side, asked: count, available: pool.length },
    });
  }
  return Array.from(stream.permutation(pool.length).subarray(0, count), (at) => pool[at]).filter((place) => place !== undefined);
}

function named<P extends Part>(task: Task, side: Side, ids: readonly string[], pool: readonly Place<P>[]): Place<P>[] {
  const byId = new Map(pool.map((place) => [place.id, place]));
  const seen = new Set<string>();
  return ids.map((id) => {
    const place = byId.get(id);
    if (place === undefined) throw new LabError("too-few-samples", `Task ${task.id} names the sample ${id} to ${side}, which its source does not have on that side.`, { details: { task: task.id, side, id } });
    if (seen.has(id)) throw new LabError("bad-recipe", `Task ${task.id} names the sample ${id} twice to ${side}.`);
    seen.add(id);
    return place;
  });
}
