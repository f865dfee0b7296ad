/**
 * Formulas as kernels. Inputs of a chunk lie in one buffer, side by side; sums come back a partial a tile and are added in f64, in
 * order. What selects (counts, thresholds, masks) is in whole numbers and has the bits of the CPU; divisions may be off by a rounding.
 */
import { LabError, cancelled } from "../lib/error.ts";
import philoxCode from "../lib/philox.wgsl?raw";
import type { Gpu } from "../gpu/device.ts";
import { bind, dispatchFolded } from "../gpu/dispatch.ts";
import { readWhole, Staging } from "../gpu/readback.ts";
import type { Along, Executor, Geometry, Passes, Search, Totals } from "./executor.ts";
import { differ, type Float, type Formula, not, number, type Plan, planOf, type RankedMask, type Truth } from "./expression.ts";
import { bracketOf, targetIn } from "./sparsify/bracket.ts";
import type { Guess, Tally } from "./sparsify/cuts.ts";
import { rowDivergence } from "./sparsify/divergence.ts";
import type { Half, Target } from "./sparsify/select.ts";
import type { TensorSource, TensorWriter } from "./types.ts";
import { bracketKernel, COLUMN_SLICES, columnKernel, PARAMETERS, passKernel, rowKernel, SAMPLED_OF, tallyKernel, TILE, wordCounts } from "./wgsl/formula.ts";
import rankCode from "./wgsl/rank.wgsl?raw";

/** Of a chunk of one input. */
const CHUNK_ELEMENTS = 2 ** 24;
/** Inputs of a tensor that are kept whole. */
const BUDGET_BYTES = 512 * 2 ** 20;
/** Pairs of a batch of rows that are being sorted. */
const SORT_BYTES = 64 * 2 ** 20;
const BINS = 65536;
/** Elements from which a sample pays; brackets of one kernel. */
const LEAST_GUESSED = 2 ** 20;
const MOST_BRACKETS = 24;
/** Lanes read up to three elements past a row's end. */
const SLACK = 4;
const STORAGE = 0x80, COPY_SRC = 0x4, COPY_DST = 0x8, UNIFORM = 0x40; // GPUBufferUsage, which only exists where WebGPU does

export class GpuExecutor implements Executor {
  readonly backend = "webgpu";
  readonly gpu: Gpu;
  readonly budgetBytes: number;
  readonly #layout: GPUPipelineLayout;
  readonly #groups: GPUBindGroupLayout;
  readonly #texts = new Map<string, string>();
  /** What stands where a formula has no such binding: one to read, one to write. */
  #nothing: [GPUBuffer, GPUBuffer] | null = null;
  #turn: Promise<void> = Promise.resolve();

  constructor(gpu: Gpu, { budgetBytes = BUDGET_BYTES }: { readonly budgetBytes?: number } = {}) {
    this.gpu = gpu;
    this.budgetBytes = budgetBytes;
    const types: GPUBufferBindingType[] = ["uniform", "read-only-storage", "read-only-storage", "storage", "storage", "read-only-storage"];
    this.#groups = gpu.device.createBindGroupLayout({
      entries: types.map((type, binding) => ({ binding, visibility: 0x4, buffer: { type } })), // to compute shaders
    });
    this.#layout = gpu.device.createPipelineLayout({ bindGroupLayouts: [this.#groups] });
  }

  async open(geometry: Geometry, source: TensorSource, options: { chunkElements?: number; signal?: AbortSignal }): Promise<GpuPasses> {
    let leave = () => {};
    const before = this.#turn;
    this.#turn = new Promise((resolve) => (leave = resolve));
    await before;
    return new GpuPasses(this, geometry, source, options, leave);
  }

  /** `kind`: which kernel of the formula. */
  pipeline(kind: string, plan: Plan, code: () => string): GPUComputePipeline {
    const key = `${kind} ${plan.key}${plan.inputs.join()}|${plan.masks.map((mask) => mask.kind).join()}`;
    let text = this.#texts.get(key);
    if (text === undefined) this.#texts.set(key, (text = (plan.masks.length ? philoxCode : "") + withoutMasks(plan, code())));
    return this.gpu.pipeline(kind, text, "main", this.#layout);
  }

  bind(buffers: readonly [GPUBuffer, GPUBuffer | null, GPUBuffer, GPUBuffer | null, GPUBuffer | null, GPUBuffer | null]): GPUBindGroup {
    const [toRead, toWrite] = (this.#nothing ??= [this.gpu.buffer("nothing to read", 256, STORAGE), this.gpu.buffer("nothing to write", 512, STORAGE)]);
    const entries = buffers.map((buffer, binding): GPUBindGroupEntry => {
      if (buffer) return { binding, resource: { buffer } };
      // Two writable bindings must not overlap.
      return { binding, resource: binding === 5 ? { buffer: toRead } : { buffer: toWrite, offset: 256 * (binding - 3), size: 256 } };
    });
    return this.gpu.device.createBindGroup({ layout: this.#groups, entries });
  }

  destroy(): void {
    this.#nothing?.forEach((buffer) => this.gpu.free(buffer));
    this.#nothing = null;
    this.#texts.clear();
  }
}

/** The functions of masks call Philox, which lies before formulas that have any. */
function withoutMasks(plan: Plan, code: string): string {
  return plan.masks.length ? code : code.replace(/fn keep\([\s\S]*?\n}\n/, "");
}

interface Chunk {
  readonly from: number;
  readonly to: number;
}

/** What the kernels of one plan share. */
interface Laid {
  readonly plan: Plan;
  readonly words: GPUBuffer;
}

/** One tensor on the GPU. */
export class GpuPasses implements Passes {
  readonly length: number;
  readonly #executor: GpuExecutor;
  readonly #gpu: Gpu;
  readonly #source: TensorSource;
  readonly #signal: AbortSignal | undefined;
  readonly #leave: () => void;
  readonly #columns: number;
  readonly #slice: number;
  readonly #inputs: number;
  readonly #whole: boolean;
  readonly #flatChunk: number;
  readonly #loaded = new Set<number>();
  readonly #made: GPUBuffer[] = [];
  #stride = 0;
  #data: GPUBuffer | null = null;
  #parameters: GPUBuffer | null = null;

  constructor(
    executor: GpuExecutor, { name, shape, inputs }: Geometry, source: TensorSource,
    { chunkElements = CHUNK_ELEMENTS, signal }: { chunkElements?: number; signal?: AbortSignal }, leave: () => void,
  ) {
    this.#executor = executor;
    this.#gpu = executor.gpu;
    this.#source = source;
    this.#signal = signal;
    this.#leave = leave;
    this.length = shape.reduce((product, side) => product * side, 1);
    this.#columns = shape.at(-1) ?? 1;
    this.#slice = shape[0] ? this.length / shape[0] : this.length;
    this.#inputs = Math.max(1, inputs);
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#gpu.limits;
    const most = Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / 4 / this.#inputs) - TILE;
    this.#whole = 4 * this.length * this.#inputs <= executor.budgetBytes && this.length <= most;
    this.#flatChunk = Math.max(TILE, Math.floor(Math.min(chunkElements, most) / TILE) * TILE);
    this.#most = most;
    this.#name = name;
  }

  readonly #most: number;
  readonly #name: string;

  close(): void {
    for (const buffer of this.#made.splice(0)) this.#gpu.free(buffer);
    this.#leave();
  }

  #buffer(label: string, bytes: number, usage = STORAGE | COPY_SRC | COPY_DST): GPUBuffer {
    const buffer = this.#gpu.buffer(label, Math.max(256, Math.ceil(bytes / 16) * 16), usage);
    this.#made.push(buffer);
    return buffer;
  }

  #release(...buffers: readonly (GPUBuffer | null)[]): void {
    for (const buffer of buffers) {
      if (buffer === null) continue;
      this.#made.splice(this.#made.indexOf(buffer), 1);
      this.#gpu.free(buffer);
    }
  }

  async totals(sums: readonly Float[], counts: readonly Truth[] = []): Promise<Totals> {
    return this.#pass({ sums, counts }, null);
  }

  async write(formula: Formula & { readonly store: Float }, write: TensorWriter): Promise<Totals> {
    return this.#pass(formula, write);
  }

  async #pass(formula: Formula, write: TensorWriter | null): Promise<Totals> {
    const laid = this.#lay(formula);
    const { sums = [], counts = [] } = formula;
    const [total, tally] = [sums.map(() => 0), counts.map(() => 0)];
    const width = sums.length + counts.length;
    const step = this.#chunkFor(laid.plan);
    const longest = Math.min(this.length, this.#whole ? this.#outChunk() : step);
    const out = write ? this.#buffer("merged", 4 * (longest + SLACK)) : null;
    const partials = width ? this.#buffer("partials", 4 * width * Math.ceil(longest / TILE)) : null;
    const staging = write ? new Staging(this.#gpu, Math.max(4, Math.min(4 * longest, 64 * 2 ** 20))) : null;
    try {
      const pipeline = this.#executor.pipeline("pass", laid.plan, () => passKernel(laid.plan));
      for await (const chunk of this.#chunks(laid.plan, step)) {
        const chances = this.#chances(laid.plan, chunk);
        for (let begin = chunk.from; begin < chunk.to; begin += longest) {
          const end = Math.min(chunk.to, begin + longest);
          const tiles = Math.ceil((end - begin) / TILE);
          this.#dispatch(pipeline, { begin, end, first: chunk.from, tiles }, [laid.words, out, partials, chances], tiles);
          if (partials) {
            const bytes = await readWhole(this.#gpu, partials, 4 * width * tiles);
            const [floats, wholes] = [new Float32Array(bytes), new Uint32Array(bytes)];
            for (let tile = 0; tile < tiles; tile++) {
              sums.forEach((_, i) => (total[i] = (total[i] as number) + (floats[tile * width + i] as number)));
              counts.forEach((_, i) => (tally[i] = (tally[i] as number) + (wholes[tile * width + sums.length + i] as number)));
            }
          }
          if (write && out && staging) {
            const values = new Float32Array(end - begin);
            await staging.read([{ from: out, offset: 0, bytes: 4 * values.length, to: new Uint8Array(values.buffer) }]);
            await write(begin, values);
          }
          this.#check();
        }
        this.#release(chances);
      }
    } finally {
      staging?.destroy();
    }
    this.#release(out, partials, laid.words);
    return { sums: total, counts: tally };
  }

  /** `store` into a buffer (16 bytes a vec4, as long as the tensor): it stays on the GPU. Only for a tensor whose inputs are kept whole. */
  async keep(store: Float, out: GPUBuffer): Promise<void> {
    if (!this.#whole) throw new LabError("out-of-memory", `${this.#name} is too large to be merged on the GPU in one piece.`);
    const laid = this.#lay({ store });
    const pipeline = this.#executor.pipeline("pass", laid.plan, () => passKernel(laid.plan));
    for await (const { from, to } of this.#chunks(laid.plan, this.length)) {
      const tiles = Math.ceil((to - from) / TILE);
      const chances = this.#chances(laid.plan, { from, to });
      this.#dispatch(pipeline, { begin: from, end: to, first: from, tiles }, [laid.words, out, null, chances], tiles);
      this.#release(chances);
    }
    this.#release(laid.words);
  }

  /** What is written at once where the inputs are whole. */
  #outChunk(): number {
    return Math.max(TILE, this.#flatChunk);
  }

  async sumsAlong(along: Along, sums: readonly Float[]): Promise<readonly Float64Array[]> {
    return along === "rows" ? this.#rowSums(sums) : this.#columnSums(sums);
  }

  async #rowSums(sums: readonly Float[]): Promise<Float64Array[]> {
    const laid = this.#lay({ sums });
    const rows = this.#columns ? this.length / this.#columns : 0;
    const found = sums.map(() => new Float64Array(rows));
    const pipeline = this.#executor.pipeline("row sums", laid.plan, () => rowKernel(laid.plan));
    for await (const { from, to } of this.#chunks(laid.plan, this.#unit(this.#columns))) {
      const tiles = (to - from) / this.#columns;
      const out = this.#buffer("row sums", 4 * tiles * sums.length);
      this.#dispatch(pipeline, { begin: from, end: to, first: from, tiles }, [laid.words, out, null, null], tiles);
      const values = new Float32Array(await readWhole(this.#gpu, out, 4 * tiles * sums.length));
      found.forEach((into, i) => into.set(values.subarray(i * tiles, (i + 1) * tiles), from / this.#columns));
      this.#release(out);
    }
    this.#release(laid.words);
    return found;
  }

  async #columnSums(sums: readonly Float[]): Promise<Float64Array[]> {
    const laid = this.#lay({ sums });
    const slice = this.#slice;
    const found = sums.map(() => new Float64Array(slice));
    const pipeline = this.#executor.pipeline("column sums", laid.plan, () => columnKernel(laid.plan));
    for await (const { from, to } of this.#chunks(laid.plan, this.#unit(slice * COLUMN_SLICES, slice))) {
      const tiles = Math.ceil((to - from) / slice / COLUMN_SLICES);
      const out = this.#buffer("column sums", 4 * tiles * slice * sums.length);
      const threads = tiles * Math.ceil(slice / 4);
      this.#dispatch(pipeline, { begin: from, end: to, first: from, tiles }, [laid.words, out, null, null], Math.ceil(threads / 64));
      const values = new Float32Array(await readWhole(this.#gpu, out, 4 * tiles * slice * sums.length));
      found.forEach((into, i) => {
        for (let tile = 0; tile < tiles; tile++) {
          for (let column = 0; column < slice; column++) into[column] = (into[column] as number) + (values[(i * tiles + tile) * slice + column] as number);
        }
      });
      this.#release(out);
    }
    this.#release(laid.words);
    return found;
  }

  async tally(selections: readonly Tally[], half: Half): Promise<void> {
    const running = selections.flatMap(({ of, select, signed }) => {
      const laid = this.#lay({ store: of });
      const pipeline = this.#executor.pipeline(`${half} ${signed}`, laid.plan, () => tallyKernel(laid.plan, signed, half));
      return select.bins(half).map(({ high, bins }) => ({ laid, pipeline, high: high ?? 0, bins, counted: this.#buffer("bins", 4 * BINS) }));
    });
    const inputs = planOf({ sums: selections.map(({ of }) => of) });
    for await (const { from, to } of this.#chunks(inputs, this.#flatChunk)) {
      const tiles = Math.ceil((to - from) / TILE);
      for (const { laid, pipeline, high, counted } of running) this.#dispatch(pipeline, { begin: from, end: to, first: from, tiles, high }, [laid.words, counted, null, null], tiles);
    }
    for (const { bins, counted } of running) {
      const found = new Uint32Array(await readWhole(this.#gpu, counted));
      for (let bin = 0; bin < BINS; bin++) bins[bin] = (bins[bin] as number) + (found[bin] as number);
      this.#release(counted);
    }
    this.#release(...new Set(running.map(({ laid }) => laid.words)));
  }

  /** Only of what is in memory as a whole, and worth a sample. */
  async guessed(selections: readonly Guess[]): Promise<(readonly Target[] | null)[]> {
    if (!this.#whole || this.length < LEAST_GUESSED || selections.length === 0) return selections.map(() => null);
    const sampled = await this.#sampled(selections);
    const brackets = selections.map(({ keep, halves }, i) => keep.map((count) => (count > 0 ? bracketOf(sampled[i] as Uint32Array, this.length, count, halves) : null)));
    const asked = selections.flatMap(({ keep }, sum) => keep.flatMap((_, k) => {
      const bracket = brackets[sum]?.[k];
      return bracket ? [{ sum, k, bracket }] : [];
    }));
    if (asked.length === 0 || asked.length > MOST_BRACKETS) return selections.map(() => null);
    let next = asked.length;
    const firsts = asked.map(({ bracket: { bins } }) => (next += bins) - bins);
    const laid = this.#lay({ sums: selections.map(({ of }) => of) });
    const shapes = asked.map(({ sum, bracket: { shift } }) => ({ sum, shift }));
    const pipeline = this.#executor.pipeline(`bracket ${shapes.map(({ sum, shift }) => `${sum}/${shift}`).join(" ")}`, laid.plan, () => bracketKernel(laid.plan, shapes));
    const bounds = this.#buffer("bounds", 12 * asked.length);
    this.#gpu.device.queue.writeBuffer(bounds, 0, Uint32Array.from(asked.flatMap(({ bracket: { low, high, shift } }, i) => [Math.max(low, 1 << shift), high, (firsts[i] as number) - (low >>> shift)])));
    const counted = this.#buffer("bins", 4 * next);
    for await (const { from, to } of this.#chunks(laid.plan, this.length)) {
      const tiles = Math.ceil((to - from) / TILE);
      this.#dispatch(pipeline, { begin: from, end: to, first: from, tiles }, [laid.words, counted, null, bounds], tiles);
    }
    const words = new Uint32Array(await readWhole(this.#gpu, counted, 4 * next));
    this.#release(counted, bounds, laid.words);
    const found = asked.map(({ bracket }, i) => targetIn(bracket, words[i] as number, words.subarray(firsts[i], (firsts[i] as number) + bracket.bins), this.length));
    return selections.map(({ keep }, sum) => {
      const targets = keep.map((count, k) => (count === 0 ? { count, high: -1, wanted: 0, threshold: 0xffffffff, equal: 0 } : (found[asked.findIndex((one) => one.sum === sum && one.k === k)] ?? null)));
      return targets.includes(null) ? null : (targets as Target[]);
    });
  }

  /** High halves of a few keys of each. */
  async #sampled(selections: readonly Guess[]): Promise<Uint32Array[]> {
    const found: Uint32Array[] = [];
    for (const { of } of selections) {
      const laid = this.#lay({ store: of });
      const pipeline = this.#executor.pipeline("sampled", laid.plan, () => tallyKernel(laid.plan, false, "sampled"));
      const counted = this.#buffer("bins", 4 * BINS);
      for await (const { from, to } of this.#chunks(laid.plan, this.length)) {
        const tiles = Math.ceil((to - from) / SAMPLED_OF);
        this.#dispatch(pipeline, { begin: from, end: to, first: from, tiles }, [laid.words, counted, null, null], tiles);
      }
      found.push(new Uint32Array(await readWhole(this.#gpu, counted)));
      this.#release(counted, laid.words);
    }
    return found;
  }

  /** Counted tile by tile, all in one pass; only in the tile where a count is reached are elements looked at. */
  async places(searches: readonly Search[]): Promise<number[]> {
    const left = searches.map(({ wanted }) => wanted);
    const places = searches.map(() => this.length);
    const begins = Math.min(...searches.map(({ from }) => from));
    const equal = searches.map(({ of, bits }) => not(differ(of, number(new Float32Array(Int32Array.of(bits).buffer)[0] as number))));
    const count = this.#lay({ counts: equal });
    for await (const { from, to } of this.#chunks(count.plan, this.#flatChunk)) {
      const begin = Math.max(from, begins); // a multiple of four: searches begin where blocks do
      if (begin >= to) continue;
      const tiles = Math.ceil((to - begin) / TILE);
      const partials = this.#buffer("partials", 4 * tiles * searches.length);
      this.#dispatch(this.#executor.pipeline("pass", count.plan, () => passKernel(count.plan)), { begin, end: to, first: from, tiles }, [count.words, null, partials, null], tiles);
      const counted = new Uint32Array(await readWhole(this.#gpu, partials, 4 * tiles * searches.length));
      this.#release(partials);
      for (const [i, search] of searches.entries()) {
        for (let tile = 0; tile < tiles && (left[i] as number) > 0; tile++) {
          const start = begin + tile * TILE;
          const here = start + TILE > search.from ? (counted[tile * searches.length + i] as number) : 0;
          const wanted = left[i] as number;
          left[i] = Math.max(0, wanted - here);
          if (here >= wanted) places[i] = await this.#placeIn(search, { first: from, begin: start, end: Math.min(to, start + TILE) }, wanted);
        }
      }
      if (left.every((some) => some === 0)) break;
    }
    this.#release(count.words);
    return places;
  }

  async #placeIn({ of, bits }: Search, { first, begin, end }: { first: number; begin: number; end: number }, wanted: number): Promise<number> {
    const { plan, words } = this.#lay({ store: of });
    const out = this.#buffer("keys", 4 * (end - begin + SLACK));
    this.#dispatch(this.#executor.pipeline("pass", plan, () => passKernel(plan)), { begin, end, first, tiles: 1 }, [words, out, null, null], 1);
    const keys = new Int32Array(await readWhole(this.#gpu, out, 4 * (end - begin)));
    this.#release(out, words);
    let left = wanted;
    return begin + keys.findIndex((key) => key === (bits | 0) && --left === 0) + 1;
  }

  /** On the CPU: exponentials differ from device to device, and near equals this is nothing but their last bits. */
  async divergence(p: Float, q: Float, round: (value: number) => number): Promise<Float32Array> {
    const columns = this.#columns;
    const out = new Float32Array(columns ? this.length / columns : 0);
    const laid = [p, q].map((store) => this.#lay({ store }));
    const inputs = planOf({ sums: [p, q] });
    for await (const { from, to } of this.#chunks(inputs, this.#unit(columns))) {
      const tiles = Math.ceil((to - from) / TILE);
      const [a, b] = await Promise.all(laid.map(async ({ plan, words }) => {
        const values = this.#buffer("rows", 4 * (to - from + SLACK));
        this.#dispatch(this.#executor.pipeline("pass", plan, () => passKernel(plan)), { begin: from, end: to, first: from, tiles }, [words, values, null, null], tiles);
        const read = new Float32Array(await readWhole(this.#gpu, values, 4 * (to - from)));
        this.#release(values);
        return read;
      })) as [Float32Array, Float32Array];
      for (let at = 0; at < to - from; at += columns) out[(from + at) / columns] = rowDivergence(a.subarray(at, at + columns), b.subarray(at, at + columns), columns, round);
    }
    this.#release(...laid.map(({ words }) => words));
    return out;
  }

  /** Chances of the elements in memory for masks that go by rank: [masks][stride]. */
  #chances({ masks }: Plan, { from, to }: Chunk): GPUBuffer | null {
    if (!masks.some(({ kind }) => kind === "ranked")) return null;
    const gpu = this.#gpu;
    const chances = this.#buffer("chances", 4 * this.#stride * masks.length);
    const values = this.#buffer("rows to rank", 4 * (to - from + SLACK));
    const padded = 2 ** Math.ceil(Math.log2(Math.max(2, this.#columns)));
    const rows = (to - from) / this.#columns;
    const batch = Math.max(1, Math.min(rows, Math.floor(Math.min(SORT_BYTES, gpu.limits.maxStorageBufferBindingSize) / 8 / padded)));
    const pairs = this.#buffer("pairs", 8 * padded * batch);
    const ranks = gpu.pipeline("ranks", PARAMETERS + rankCode);
    masks.forEach((mask, m) => {
      if (mask.kind !== "ranked") return;
      const { plan, words } = this.#lay({ store: (mask as RankedMask).of });
      const tiles = Math.ceil((to - from) / TILE);
      this.#dispatch(this.#executor.pipeline("pass", plan, () => passKernel(plan)), { begin: from, end: to, first: from, tiles }, [words, values, null, null], tiles);
      const below = this.#buffer("chances by rank", 4 * mask.below.length);
      gpu.device.queue.writeBuffer(below, 0, mask.below as Uint32Array<ArrayBuffer>);
      for (let row = 0; row < rows; row += batch) {
        const some = Math.min(batch, rows - row);
        const parameters = this.#write({ begin: from, end: to, first: from, tiles: some, padded, rankRow: row, chances: m * this.#stride });
        this.#submit(ranks, bind(gpu.device, ranks, [parameters, values, pairs, below, chances]), some);
      }
      this.#release(below, words);
    });
    this.#release(values, pairs);
    return chances;
  }

  /** Numbers, cuts, masks and series of a formula, on the GPU. */
  #lay(formula: Formula): Laid {
    const plan = planOf(formula);
    const counts = wordCounts(plan);
    const series = [...plan.rows, ...plan.columns];
    const words = new Uint32Array(counts.rows + series.reduce((total, { length }) => total + length, 0));
    new Float32Array(words.buffer).set(plan.numbers);
    plan.cuts.forEach(({ threshold, below }, i) => words.set([threshold, below], counts.cuts + 2 * i));
    plan.masks.forEach((mask, i) => words.set([...mask.name, ...mask.key, mask.kind === "random" ? mask.below : 0], counts.masks + 5 * i));
    let at = counts.rows;
    for (const values of series) {
      new Float32Array(words.buffer).set(values, at);
      at += values.length;
    }
    const buffer = this.#buffer("numbers of a formula", words.byteLength);
    this.#gpu.device.queue.writeBuffer(buffer, 0, words);
    return { plan, words: buffer };
  }

  #write({ begin, end, first, tiles, high = 0, padded = 0, rankRow = 0, chances = 0 }: Work): GPUBuffer {
    this.#parameters ??= this.#buffer("parameters", 64, UNIFORM | COPY_DST);
    const rows = this.#columns ? this.length / this.#columns : 0;
    const words = Uint32Array.of(begin, end, first, this.#stride, this.#columns, this.#slice, rows, high, tiles, 0, padded, rankRow, chances, 0, 0, 0);
    this.#gpu.device.queue.writeBuffer(this.#parameters, 0, words);
    return this.#parameters;
  }

  #dispatch(pipeline: GPUComputePipeline, work: Work, [words, out, partials, chances]: readonly [GPUBuffer, GPUBuffer | null, GPUBuffer | null, GPUBuffer | null], groups: number): void {
    const group = this.#executor.bind([this.#write(work), words, this.#data as GPUBuffer, out, partials, chances]);
    this.#submit(pipeline, group, groups);
  }

  #submit(pipeline: GPUComputePipeline, group: GPUBindGroup, groups: number): void {
    const encoder = this.#gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    dispatchFolded(pass, groups);
    pass.end();
    this.#gpu.device.queue.submit([encoder.finish()]);
  }

  /** A pass over whole rows or slices: as many as a chunk holds, at least one. */
  #unit(unit: number, least = unit): number {
    if (this.#whole) return Math.max(1, this.length);
    const fits = Math.floor(this.#flatChunk / unit) * unit || Math.floor(this.#most / unit) * unit;
    const chunk = fits > 0 ? Math.min(fits, Math.max(unit, Math.floor(this.#flatChunk / unit) * unit)) : Math.floor(this.#flatChunk / least) * least || least;
    if (chunk > this.#most) {
      throw new LabError("out-of-memory", `A row of ${this.#name} has ${least} elements, more than this GPU takes at once from ${this.#inputs} models. Merge it on the CPU instead (backend wasm).`);
    }
    return chunk;
  }

  #chunkFor(plan: Plan): number {
    if (!plan.masks.some(({ kind }) => kind === "ranked")) return this.#flatChunk;
    // Whole rows in memory, and tiles that begin where they would without chunks.
    const both = (this.#columns / gcd(this.#columns, TILE)) * TILE;
    return this.#unit(both, this.#columns);
  }

  async *#chunks(plan: Plan, step: number): AsyncGenerator<Chunk> {
    const size = this.#whole ? Math.max(1, this.length) : step;
    this.#hold(Math.min(this.length, Math.max(size, this.#whole ? 0 : this.#flatChunk)));
    for (let from = 0; from < this.length; from += size) {
      const to = Math.min(this.length, from + size);
      await this.#load(plan.inputs, from, to);
      this.#check();
      yield { from, to };
    }
  }

  /** Room for so many elements of every input; what was in it is gone when it grows. */
  #hold(elements: number): void {
    const stride = Math.ceil((elements + SLACK) / 4) * 4;
    if (this.#data && stride <= this.#stride) return;
    this.#release(this.#data);
    this.#loaded.clear();
    this.#stride = stride;
    this.#data = this.#buffer("inputs", 4 * stride * this.#inputs);
  }

  async #load(inputs: readonly number[], from: number, to: number): Promise<void> {
    const wanted = inputs.filter((input) => !this.#whole || !this.#loaded.has(input));
    await Promise.all(wanted.map(async (input) => {
      const values = await this.#source.read(input, from, to);
      if (values.length !== to - from) throw new LabError("length-mismatch", `Input ${input} gave ${values.length} elements where ${to - from} were asked for.`);
      this.#gpu.device.queue.writeBuffer(this.#data as GPUBuffer, 4 * input * this.#stride, values as Float32Array<ArrayBuffer>);
      if (this.#whole) this.#loaded.add(input);
    }));
    await this.#gpu.settled();
  }

  #check(): void {
    if (this.#signal?.aborted) throw cancelled();
  }
}

interface Work {
  readonly begin: number;
  readonly end: number;
  readonly first: number;
  readonly tiles: number;
  readonly high?: number;
  readonly padded?: number;
  readonly rankRow?: number;
  readonly chances?: number;
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
