/**
 * Formulas on the CPU, as WebAssembly SIMD over blocks that stay in the cache. All arrays of a tensor lie in one memory: whole where
 * its inputs fit a budget (then each is read once), else a chunk at a time.
 */
import { LabError, cancelled } from "../lib/error.ts";
import type { Along, Executor, Geometry, Passes, Search, Totals } from "./executor.ts";
import { type Float, type Formula, type Plan, planOf, type RankedMask, type Truth } from "./expression.ts";
import type { Tally } from "./sparsify/cuts.ts";
import { rowDivergence } from "./sparsify/divergence.ts";
import { KeptRows } from "./sparsify/keptRows.ts";
import { ascending } from "./sparsify/rank.ts";
import type { Half } from "./sparsify/select.ts";
import type { TensorSource, TensorWriter } from "./types.ts";
import { COUNT_BYTES, compile, FIXED, SUM_BYTES, wordsOf } from "./wasm/formula.ts";
import { philoxModule } from "./wasm/philox.ts";

/** Of a chunk of one input. */
const CHUNK_ELEMENTS = 2 ** 22;
/** Inputs of a tensor that are kept whole. */
const BUDGET_BYTES = 192 * 2 ** 20;
/** Elements a call: a few arrays of it stay in the second-level cache, and V8 has time to replace its first, slow code. */
const BLOCK = 8192;
/** Behind every array: whole vectors are read and written, Philox writes 16 elements and may begin up to 3 early. */
const SLACK_BYTES = 128;
const PAGE = 65536;
/** Of a selection at most, each a quarter of a megabyte: where a search for equal elements may begin. */
const MARKS = 32;

type Kernel = (...addresses: number[]) => void;

export interface CpuOptions {
  /** Bytes of inputs kept between passes. */
  readonly budgetBytes?: number;
}

export class CpuExecutor implements Executor {
  readonly backend = "cpu";
  readonly #memory = new WebAssembly.Memory({ initial: 1, maximum: 65536 });
  readonly #kernels = new Map<string, Kernel>();
  readonly budgetBytes: number;
  #philox: Kernel | null = null;
  #turn: Promise<void> = Promise.resolve();

  constructor({ budgetBytes = BUDGET_BYTES }: CpuOptions = {}) {
    this.budgetBytes = budgetBytes;
  }

  async open(geometry: Geometry, source: TensorSource, options: { chunkElements?: number; signal?: AbortSignal }): Promise<Passes> {
    let leave = () => {};
    const before = this.#turn;
    this.#turn = new Promise((resolve) => (leave = resolve));
    await before;
    return new CpuPasses(this, geometry, source, options, leave);
  }

  get memory(): WebAssembly.Memory {
    return this.#memory;
  }

  /** Bytes from 0 on; what lay there stays. */
  reserve(bytes: number): void {
    const missing = Math.ceil(bytes / PAGE) - this.#memory.buffer.byteLength / PAGE;
    if (missing <= 0) return;
    try {
      this.#memory.grow(missing);
    } catch (cause) {
      throw new LabError("out-of-memory", `Merging needs ${Math.ceil(bytes / 2 ** 20)} MiB at once, which this browser does not give. Close other tabs, or take smaller chunks.`, { cause });
    }
  }

  kernel(plan: Plan): Kernel {
    let kernel = this.#kernels.get(plan.key);
    if (!kernel) this.#kernels.set(plan.key, (kernel = this.#load(compile(plan))));
    return kernel;
  }

  get philox(): Kernel {
    return (this.#philox ??= this.#load(philoxModule()));
  }

  #load(bytes: Uint8Array<ArrayBuffer>): Kernel {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m: { memory: this.#memory } });
    return instance.exports["run"] as Kernel;
  }

  destroy(): void {
    this.#kernels.clear();
  }
}

/** Elements from..to of every input, and where each begins in memory. */
interface Chunk {
  readonly from: number;
  readonly to: number;
  /** Address of element `from`, by input. */
  readonly at: readonly number[];
}

/** Not all of a tensor: from the block on that holds element `from`, until it is over. */
interface Part {
  readonly over?: () => boolean;
  readonly from?: number;
}

/** How a formula goes through a tensor: a block anywhere, or never across the end of a row (slice) whose numbers differ. */
interface Walk {
  /** Elements of a row, or slice along dimension 0; 0 where blocks may end anywhere. */
  readonly unit: number;
  readonly along: Along | null;
}

class CpuPasses implements Passes {
  readonly length: number;
  readonly #executor: CpuExecutor;
  readonly #source: TensorSource;
  readonly #signal: AbortSignal | undefined;
  readonly #leave: () => void;
  readonly #columns: number;
  readonly #slice: number;
  readonly #inputs: number;
  readonly #chunkElements: number;
  readonly #whole: boolean;
  readonly #loaded = new Set<number>();
  readonly #ranked: KeptRows;
  readonly #places: number[] = [];
  /** First byte behind the inputs. */
  #top = 0;

  constructor(
    executor: CpuExecutor, { shape, inputs }: Geometry, source: TensorSource,
    { chunkElements = CHUNK_ELEMENTS, signal }: { chunkElements?: number; signal?: AbortSignal }, leave: () => void,
  ) {
    this.#executor = executor;
    this.#source = source;
    this.#signal = signal;
    this.#leave = leave;
    this.length = shape.reduce((product, side) => product * side, 1);
    this.#columns = shape.at(-1) ?? 1;
    this.#slice = shape[0] ? this.length / shape[0] : this.length;
    this.#inputs = inputs;
    this.#ranked = new KeptRows(this.length);
    this.#whole = 4 * this.length * inputs <= executor.budgetBytes;
    this.#chunkElements = Math.max(4, Math.ceil(chunkElements / 4) * 4);
  }

  close(): void {
    this.#leave();
  }

  async totals(sums: readonly Float[], counts: readonly Truth[] = []): Promise<Totals> {
    const pass = this.#prepare({ sums, counts });
    await this.#each(pass.plan, pass.walk, (chunk) => this.#run(pass, chunk, chunk.from, chunk.to, 0));
    return pass.totals();
  }

  async sumsAlong(along: Along, sums: readonly Float[]): Promise<readonly Float64Array[]> {
    return along === "rows" ? this.#rowSums(sums) : this.#columnSums(sums);
  }

  async #rowSums(sums: readonly Float[]): Promise<Float64Array[]> {
    const columns = this.#columns;
    const rows = columns === 0 ? 0 : this.length / columns;
    const out = sums.map(() => new Float64Array(rows));
    const pass = this.#prepare({ sums }, "rows");
    await this.#each(pass.plan, pass.walk, (chunk) => {
      for (let from = chunk.from; from < chunk.to; from += columns) {
        pass.clear();
        this.#run(pass, chunk, from, from + columns, 0);
        const totals = pass.totals();
        out.forEach((array, i) => (array[from / columns] = totals.sums[i] as number));
      }
    });
    return out;
  }

  async #columnSums(sums: readonly Float[]): Promise<Float64Array[]> {
    const out = sums.map(() => new Float64Array(this.#slice));
    for (const [s, of] of sums.entries()) {
      const into = out[s] as Float64Array;
      await this.#eachBlock(of, (bits, from, length) => {
        const values = new Float32Array(bits.buffer, bits.byteOffset, length);
        let column = from % this.#slice;
        for (let i = 0; i < length; i++) {
          into[column] = (into[column] as number) + (values[i] as number);
          if (++column === this.#slice) column = 0;
        }
      });
    }
    return out;
  }

  tally(selections: readonly Tally[], half: Half): Promise<void> {
    const between = BLOCK * Math.max(64, Math.ceil(this.length / BLOCK / MARKS));
    return this.#eachBlocks(selections.map(({ of }) => of), (s, bits, length, from) => {
      const { select, signed } = selections[s] as Tally;
      if (select.halves && from > 0 && from % between === 0) select.mark(from);
      if (signed) for (let i = 0; i < length; i++) bits[i] = (bits[i] as number) < 0 ? ~(bits[i] as number) : (bits[i] as number) | 0x80000000;
      select.count(half, bits, length);
    });
  }

  async places(searches: readonly Search[]): Promise<number[]> {
    const places: number[] = [];
    for (const search of searches) places.push(await this.#place(search));
    return places;
  }

  async #place({ of, bits: sought, from: first, wanted }: Search): Promise<number> {
    let left = wanted;
    let place = this.length;
    await this.#eachBlock(of, (bits, from, length) => {
      for (let i = Math.max(0, first - from); i < length && left > 0; i++) if (bits[i] === (sought | 0) && --left === 0) place = from + i + 1;
    }, { over: () => left === 0, from: first });
    return place;
  }

  async divergence(p: Float, q: Float, round: (value: number) => number): Promise<Float32Array> {
    const columns = this.#columns;
    const out = new Float32Array(columns === 0 ? 0 : this.length / columns);
    const [a, b] = [this.#prepare({ store: p }, "rows", columns), this.#prepare({ store: q }, "rows", columns)];
    const first = new Float32Array(columns);
    await this.#each(planOf({ sums: [p, q] }), a.walk, (chunk) => {
      for (let from = chunk.from; from < chunk.to; from += columns) {
        this.#run(a, chunk, from, from + columns, a.out);
        first.set(new Float32Array(this.#executor.memory.buffer, a.out, columns));
        this.#run(b, chunk, from, from + columns, b.out);
        out[from / columns] = rowDivergence(first, new Float32Array(this.#executor.memory.buffer, b.out, columns), columns, round);
      }
    });
    return out;
  }

  async write(formula: Formula & { readonly store: Float }, write: TensorWriter): Promise<Totals> {
    const pass = this.#prepare(formula, null, Math.min(this.length, this.#chunkFor(planOf(formula))));
    const most = this.#chunkFor(pass.plan);
    await this.#each(pass.plan, pass.walk, async (chunk) => {
      for (let from = chunk.from; from < chunk.to; from += most) {
        const to = Math.min(chunk.to, from + most);
        this.#run(pass, chunk, from, to, pass.out);
        await write(from, new Float32Array(this.#executor.memory.buffer, pass.out, to - from));
        this.#check();
      }
    });
    return pass.totals();
  }

  /** Blocks of `of` as bits, in order. */
  #eachBlock(of: Float, use: (bits: Int32Array, from: number, length: number) => void, part?: Part): Promise<void> {
    return this.#eachBlocks([of], (_, bits, length, from) => use(bits, from, length), part);
  }

  async #eachBlocks(of: readonly Float[], use: (which: number, bits: Int32Array, length: number, from: number) => void, part: Part = {}): Promise<void> {
    const { over = () => false, from: first = 0 } = part;
    const passes = of.map((store) => this.#prepare({ store }, null, BLOCK));
    const walk = passes.find((pass) => pass.walk.unit)?.walk ?? { unit: 0, along: null };
    await this.#each(planOf({ sums: of }), walk, (chunk) => {
      for (let from = chunk.from + BLOCK * Math.max(0, Math.floor((first - chunk.from) / BLOCK)); from < chunk.to && !over(); from += BLOCK) {
        const to = Math.min(from + BLOCK, chunk.to);
        passes.forEach((pass, p) => {
          this.#run(pass, chunk, from, to, pass.out);
          use(p, new Int32Array(this.#executor.memory.buffer, pass.out, to - from), to - from, from);
        });
      }
    }, part);
  }

  /** Chunks of the inputs a plan reads, one after the other. */
  async #each(plan: Plan, walk: Walk, use: (chunk: Chunk) => void | Promise<void>, { over = () => false, from: first = 0 }: Part = {}): Promise<void> {
    const inputs = plan.inputs;
    const step = this.#whole ? Math.max(1, this.length) : this.#chunkFor(plan, walk);
    for (let from = step * Math.floor(first / step); from < this.length && !over(); from += step) {
      const to = Math.min(this.length, from + step);
      await this.#load(inputs, from, to);
      this.#check();
      await use({ from, to, at: this.#places });
    }
  }

  #check(): void {
    if (this.#signal?.aborted) throw cancelled();
  }

  async #load(inputs: readonly number[], from: number, to: number): Promise<void> {
    const wanted = inputs.filter((input) => !this.#whole || !this.#loaded.has(input));
    await Promise.all(wanted.map(async (input) => {
      const into = new Float32Array(this.#executor.memory.buffer, this.#places[input], to - from);
      const values = await this.#source.read(input, from, to, into);
      if (values.length !== to - from) throw new LabError("length-mismatch", `Input ${input} gave ${values.length} elements where ${to - from} were asked for.`);
      if (values !== into) into.set(values);
      if (this.#whole) this.#loaded.add(input);
    }));
  }

  #chunkFor(plan: Plan, walk: Walk = this.#walkOf(plan)): number {
    if (walk.unit === 0) return this.#chunkElements;
    const unit = Math.max(1, walk.unit);
    return unit * Math.max(1, Math.floor(this.#chunkElements / unit));
  }

  #walkOf(plan: Plan): Walk {
    if (plan.columns.length > 0) return { unit: this.#slice, along: "columns" };
    const byRows = plan.rows.length > 0 || plan.masks.some(({ kind }) => kind === "ranked");
    return byRows ? { unit: this.#columns, along: "rows" } : { unit: 0, along: null };
  }

  /** Lays out memory behind the inputs for one formula; several prepared at once lie one behind the other. */
  #prepare(formula: Formula, along: Along | null = null, outElements = 0): Pass {
    const plan = planOf(formula);
    const walk = along === "rows" ? { unit: this.#columns, along } : this.#walkOf(plan);
    this.#layInputs();
    const ranked = plan.masks.filter((mask): mask is RankedMask => mask.kind === "ranked");
    const span = Math.max(BLOCK, ranked.length || along === "rows" ? this.#columns : 0);
    const take = (bytes: number) => {
      const at = this.#top;
      this.#top = Math.ceil((at + bytes + SLACK_BYTES) / 16) * 16;
      return at;
    };
    const numbers = take(4 * wordsOf(plan));
    const totals = take(SUM_BYTES * (plan.formula.sums?.length ?? 0) + COUNT_BYTES * (plan.formula.counts?.length ?? 0));
    const masks = plan.masks.map(() => take(4 * span));
    const columns = plan.columns.map((values) => ({ at: take(4 * values.length), values }));
    const chances = ranked.length ? take(4 * span) : 0;
    const ranks = new Map(ranked.map((mask) => [mask, this.#prepare({ store: mask.of }, "rows", span)]));
    const out = outElements ? take(4 * outElements) : 0;
    this.#executor.reserve(this.#top);
    return new Pass(this.#executor, plan, walk, { numbers, totals, masks, columns, chances, out }, { ranks, kept: this.#ranked });
  }

  #layInputs(): void {
    if (this.#places.length > 0 || this.#inputs === 0) return;
    // A chunk of a formula that goes by rows is a little other than a flat one: room for the longer.
    const longest = this.#whole ? this.length : Math.min(this.length, Math.max(this.#chunkElements, this.#columns, this.#slice));
    for (let i = 0; i < this.#inputs; i++) {
      this.#places.push(this.#top);
      this.#top = Math.ceil((this.#top + 4 * longest + SLACK_BYTES) / 16) * 16;
    }
    this.#executor.reserve(this.#top);
  }

  /** Elements from..to of a chunk; the output's first element goes to `out`. */
  #run(pass: Pass, chunk: Chunk, from: number, to: number, out: number): void {
    const { unit, along } = pass.walk;
    if (unit === 0) {
      for (let at = from; at < to; at += BLOCK) pass.call(chunk, at, Math.min(to, at + BLOCK), out + 4 * (at - from), 0);
      return;
    }
    // Rows may be short: their ends bound the blocks, and the numbers of a row are laid before its first block.
    for (let at = from; at < to; ) {
      const index = Math.floor(at / unit);
      const end = Math.min(to, (index + 1) * unit);
      if (along === "rows") pass.layRow(index);
      if (pass.hasRanks) pass.rank(chunk, index * unit, unit);
      for (; at < end; ) {
        const stop = pass.hasRanks ? end : Math.min(end, at + BLOCK);
        pass.call(chunk, at, stop, out + 4 * (at - from), at - index * unit);
        at = stop;
      }
    }
  }
}

interface Places {
  readonly numbers: number;
  readonly totals: number;
  readonly masks: readonly number[];
  readonly columns: readonly { readonly at: number; readonly values: Float32Array }[];
  readonly chances: number;
  readonly out: number;
}

/** A kernel with its numbers, masks and totals in memory. */
class Pass {
  readonly plan: Plan;
  readonly walk: Walk;
  readonly out: number;
  readonly #executor: CpuExecutor;
  readonly #kernel: Kernel;
  readonly #places: Places;
  readonly #ranks: ReadonlyMap<RankedMask, Pass>;
  readonly #kept: KeptRows;
  readonly #arguments: number[];
  #ready = false;

  constructor(executor: CpuExecutor, plan: Plan, walk: Walk, places: Places, { ranks, kept }: { readonly ranks: ReadonlyMap<RankedMask, Pass>; readonly kept: KeptRows }) {
    this.#executor = executor;
    this.plan = plan;
    this.walk = walk;
    this.#places = places;
    this.#ranks = ranks;
    this.#kept = kept;
    this.out = places.out;
    this.#kernel = executor.kernel(plan);
    this.#arguments = new Array<number>(FIXED.arrays + plan.inputs.length + plan.masks.length + plan.columns.length).fill(0);
  }

  get hasRanks(): boolean {
    return this.#ranks.size > 0;
  }

  /** Numbers, cuts and columns are written once memory has stopped moving. */
  #lay(): void {
    const { plan } = this;
    const { buffer } = this.#executor.memory;
    const floats = new Float32Array(buffer, this.#places.numbers, plan.numbers.length);
    floats.set(plan.numbers);
    const words = new Uint32Array(buffer, this.#places.numbers, wordsOf(plan));
    plan.cuts.forEach(({ threshold, below }, i) => words.set([threshold, below], plan.numbers.length + plan.rows.length + 2 * i));
    for (const { at, values } of this.#places.columns) new Float32Array(buffer, at, values.length).set(values);
    this.#ready = true;
    this.clear();
  }

  layRow(row: number): void {
    const { plan } = this;
    if (plan.rows.length === 0) return;
    const floats = new Float32Array(this.#executor.memory.buffer, this.#places.numbers + 4 * plan.numbers.length, plan.rows.length);
    plan.rows.forEach((values, i) => (floats[i] = values[row] as number));
  }

  clear(): void {
    const { sums = [], counts = [] } = this.plan.formula;
    new Uint8Array(this.#executor.memory.buffer, this.#places.totals, SUM_BYTES * sums.length + COUNT_BYTES * counts.length).fill(0);
  }

  totals(): Totals {
    const { buffer } = this.#executor.memory;
    const { sums = [], counts = [] } = this.plan.formula;
    if (!this.#ready) return { sums: sums.map(() => 0), counts: counts.map(() => 0) }; // no element at all
    const lanes = new Float64Array(buffer, this.#places.totals, 4 * sums.length);
    const tallies = new Uint32Array(buffer, this.#places.totals + SUM_BYTES * sums.length, 4 * counts.length);
    const four = (list: Float64Array | Uint32Array, i: number) => list.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    return {
      sums: sums.map((_, i) => {
        const [a, b, c, d] = four(lanes, i);
        return a + b + (c + d);
      }),
      counts: counts.map((_, i) => {
        const [a, b, c, d] = four(tallies, i);
        return a + b + c + d;
      }),
    };
  }

  /** Chances of one row by the ranks of its elements: masks of `from..from + length`, from the row's first element. */
  rank(chunk: Chunk, from: number, length: number): void {
    this.plan.masks.forEach((mask, m) => {
      if (mask.kind !== "ranked") return;
      const at = this.#places.masks[m] as number;
      if (this.#kept.read(mask, from, new Int32Array(this.#executor.memory.buffer, at, length))) return;
      const values = this.#ranks.get(mask) as Pass; // prepared with this one
      for (let block = from; block < from + length; block += BLOCK) {
        values.call(chunk, block, Math.min(from + length, block + BLOCK), values.out + 4 * (block - from), block - from);
      }
      const { buffer } = this.#executor.memory;
      const bits = new Int32Array(buffer, values.out, length);
      const chances = new Uint32Array(buffer, this.#places.chances, length);
      const [order, scratch] = rankScratch(length);
      ascending(bits, 0, length, order, scratch);
      for (let rank = 0; rank < length; rank++) chances[order[rank] as number] = mask.below[rank] as number;
      // Philox begins at a multiple of four: where the row does not, its chances are shifted into place.
      const ahead = from & 3;
      if (ahead) {
        const wide = new Uint32Array(buffer, this.#places.chances, length + ahead);
        wide.copyWithin(ahead, 0, length);
      }
      this.#executor.philox(Math.ceil((length + ahead) / 16), Math.floor(from / 4) | 0, ...mask.name, ...mask.key, 0, this.#places.chances, at);
      if (ahead) new Uint32Array(buffer, at, length + ahead).copyWithin(0, ahead);
      this.#kept.keep(mask, from, new Int32Array(buffer, at, length));
    });
  }

  /** One block; `behind`: elements of its row before it, for masks that were made a row at a time. */
  call(chunk: Chunk, from: number, to: number, out: number, behind: number): void {
    if (!this.#ready) this.#lay();
    const { plan } = this;
    const list = this.#arguments;
    list[FIXED.elements] = to - from;
    list[FIXED.first] = from | 0;
    list[FIXED.numbers] = this.#places.numbers;
    list[FIXED.totals] = this.#places.totals;
    list[FIXED.out] = out;
    let next: number = FIXED.arrays;
    for (const input of plan.inputs) list[next++] = (chunk.at[input] as number) + 4 * (from - chunk.from);
    for (let m = 0; m < plan.masks.length; m++) {
      const mask = plan.masks[m] as (typeof plan.masks)[number];
      const at = this.#places.masks[m] as number;
      if (mask.kind === "ranked") list[next++] = at + 4 * behind;
      else {
        const ahead = from & 3;
        this.#executor.philox(Math.ceil((to - from + ahead) / 16), Math.floor(from / 4) | 0, ...mask.name, ...mask.key, mask.below, 0, at);
        list[next++] = at + 4 * ahead;
      }
    }
    for (const { at } of this.#places.columns) list[next++] = at + 4 * behind;
    this.#kernel(...list);
  }
}

let ranking: [Uint32Array, Uint32Array] = [new Uint32Array(0), new Uint32Array(0)];
function rankScratch(length: number): [Uint32Array, Uint32Array] {
  if (ranking[0].length < length) ranking = [new Uint32Array(length), new Uint32Array(length)];
  return ranking;
}
