/** The basis on the GPU. `basis.cpu.ts` says what each part means; here is where it lies and in which order it is made. */
import type { LowRank } from "../checkpoint/lora/factors.ts";
import type { Gpu } from "../gpu/device.ts";
import { checkPut, checkSealed, mirror, NonFinite, putSymmetric, unmasked } from "./basis.cpu.ts";
import { Factors } from "./coefficients.ts";
import { type Columns, readColumns } from "./columns.ts";
import { type Layout, layOut, type Piece, type Slab } from "./layout.ts";
import { checkFactors } from "./lowrank/lowrank.ts";
import { Materialiser, type Part } from "./materialise/materialise.ts";
import { HostGram } from "./reduce/host.ts";
import { type PairOfColumns, reduceColumns } from "./reduce/reduce.ts";
import { freeSlab, makeSlab, putBase, putLowRank, putVector, type SlabBuffers } from "./slabs.ts";
import { CpuBoundSlot } from "./slot/cpu-bound.ts";
import { GpuBoundSlot } from "./slot/gpu-bound.ts";
import { countConflicts } from "./signs/signs.ts";
import { bernoulliWords, encodeBernoulli } from "./sparsify/bernoulli/bernoulli.ts";
import { maskFactor } from "./sparsify/factor.ts";
import { type MagnitudePiece, MagnitudeSelect } from "./sparsify/magnitude/magnitude.ts";
import { countNonFinite, surveyVector } from "./task-vector.ts";
import type { Basis, DirectionSpec, Slot, Space, VectorStatistics } from "./types.ts";

export class GpuBasis implements Basis {
  readonly backend = "webgpu";
  readonly gpu: Gpu;
  readonly space: Space;
  readonly directions: readonly DirectionSpec[];
  readonly columns: Columns;
  readonly factors: Factors;
  readonly layout: Layout;
  readonly slabs: readonly SlabBuffers[];
  readonly gpuBytes: number;
  readonly #piecesOf = new Map<number, Piece[]>();
  readonly #put = new Set<number>();
  readonly #putLow = new Set<string>();
  readonly #nonFinite: NonFinite;
  /** Where every column is stored as it comes, and adding up on the device would be slower. */
  readonly #gram: HostGram | null;

  constructor(gpu: Gpu, space: Space, directions: readonly DirectionSpec[]) {
    this.gpu = gpu;
    this.space = space;
    this.directions = directions;
    this.columns = readColumns(directions);
    this.factors = new Factors(this.columns, space.segments.length);
    this.#nonFinite = new NonFinite(directions, this.columns);
    const plain = this.columns.precision === "f32" && this.columns.dense.length === this.columns.count - 1;
    this.#gram = gpu.adapter.isFallback && plain ? new HostGram(this.columns.count) : null;
    this.layout = layOut(space, this.columns, gpu.limits);
    const before = gpu.ledger.bytes;
    this.slabs = this.layout.slabs.map((slab) => makeSlab(gpu, slab, this.columns, space));
    this.gpuBytes = gpu.ledger.bytes - before;
    for (const piece of this.layout.pieces) this.#piecesOf.set(piece.segment, [...this.pieces(piece.segment), piece]);
  }

  pieces(segment: number): readonly Piece[] {
    return this.#piecesOf.get(segment) ?? []; // none for an empty tensor
  }

  buffers(piece: Piece): SlabBuffers {
    return this.slabs[piece.slab] as SlabBuffers;
  }

  put(segment: number, base: Float32Array, experts: readonly Float32Array[]): void {
    checkPut(this.space, this.columns, segment, base, experts);
    this.#put.add(segment);
    this.#nonFinite.add(0, countNonFinite(base));
    this.#gram?.add(base, experts);
    const pieces = this.pieces(segment);
    for (const piece of pieces) putBase(this.gpu, this.buffers(piece), piece, base as Float32Array<ArrayBuffer>);
    experts.forEach((expert, dense) => {
      const { nonFinite, exponent } = surveyVector(expert, base, this.columns.precision);
      this.#nonFinite.add(this.columns.dense[dense]?.column, nonFinite);
      this.factors.stored(segment, dense, exponent);
      for (const piece of pieces) putVector(this.gpu, this.buffers(piece), this.layout, this.columns, piece, dense, expert, base, exponent);
    });
  }

  putFactors(segment: number, id: string, factors: LowRank): void {
    const low = this.columns.low.find(({ column }) => this.directions[column]?.id === id);
    checkFactors(this.space.segments[segment], low, id, factors);
    this.#nonFinite.add(low.column, countNonFinite(factors.left) + countNonFinite(factors.right));
    for (const column of [low.column, ...low.masked.map((masked) => masked.column)]) this.factors.rescale(segment, column, factors.scale);
    putLowRank(this.gpu, this.slabs, segment, low.column, factors);
    this.#putLow.add(`${segment} ${low.low}`);
  }

  async seal(): Promise<{ nonFinite: number[] }> {
    checkSealed(this.space, this.columns, (segment) => this.#put.has(segment), (segment, low) => this.#putLow.has(`${segment} ${low}`));
    this.#bernoulli();
    this.#magnitude();
    await this.#rescale();
    await this.gpu.settled();
    return { nonFinite: this.#nonFinite.counts };
  }

  /** One bit plane after the other: where the words of a piece begin. */
  #firstWord(plane: number, piece: Piece): number {
    return (plane * (this.layout.slabs[piece.slab] as Slab).elements + piece.at) / 32;
  }

  #bernoulli(): void {
    const jobs = this.columns.masked
      .filter((m) => m.rule.method === "dare")
      .flatMap((m) => this.layout.pieces.map((piece) => ({ m, piece, segment: this.space.segments[piece.segment] as Space["segments"][number] })));
    if (jobs.length === 0) return;
    const step = Math.max(64, this.gpu.limits.minUniformBufferOffsetAlignment);
    const uniforms = this.gpu.buffer("mask rules", step * jobs.length, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const words = new Uint32Array((step / 4) * jobs.length);
    const encoder = this.gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    jobs.forEach(({ m, piece, segment }, i) => {
      words.set(bernoulliWords(segment, m.rule, piece, this.#firstWord(m.plane, piece)), (i * step) / 4);
      const masks = this.buffers(piece).masks as GPUBuffer; // there is a masked column
      encodeBernoulli(this.gpu, pass, { buffer: uniforms, offset: i * step, size: 48 }, masks, Math.ceil(piece.length / 32));
    });
    pass.end();
    this.gpu.device.queue.writeBuffer(uniforms, 0, words);
    this.gpu.device.queue.submit([encoder.finish()]);
    this.gpu.free(uniforms);
  }

  #magnitude(): void {
    const jobs = this.columns.masked.filter((m) => m.rule.method === "magnitude");
    if (jobs.length === 0) return;
    const select = new MagnitudeSelect(this.gpu, this.columns.precision);
    for (const { plane, dense, rule } of jobs) {
      for (const segment of this.space.segments) {
        const pieces = this.pieces(segment.index).map((piece): MagnitudePiece => {
          const { deltas, masks, tiles } = this.buffers(piece) as { [K in "deltas" | "masks" | "tiles"]: GPUBuffer }; // such a mask is over a dense direction: all there
          const start = (dense as number) * (this.layout.slabs[piece.slab] as Slab).elements;
          return { ...piece, deltas, masks, tiles, tileCount: piece.tiles, start, firstWord: this.#firstWord(plane, piece) };
        });
        select.run(segment, rule.density, pieces);
      }
    }
    select.destroy();
  }

  async #rescale(): Promise<void> {
    const l1 = this.columns.masked.filter((m) => m.rule.rescaling === "l1");
    const pairs = l1.flatMap((m): PairOfColumns[] => {
      return [{ kind: "l1", a: m.of, b: m.of }, { kind: "l1", a: m.column, b: m.column }];
    });
    const norms = await this.#reduce(pairs);
    for (const { column, rule } of this.columns.masked) {
      const p = 2 * l1.findIndex((m) => m.column === column);
      for (const { index } of this.space.segments) {
        const norm = (which: number) => (p < 0 ? 0 : (norms[(p + which) * this.space.segments.length + index] as number));
        this.factors.rescale(index, column, maskFactor(rule, norm(0), norm(1)));
      }
    }
  }

  #reduce(pairs: readonly PairOfColumns[]): Promise<Float64Array> {
    return reduceColumns(this.gpu, this.layout, this.slabs, this.columns, this.space.segments.length, pairs);
  }

  async gram(): Promise<Float64Array> {
    const n = this.columns.count;
    if (this.#gram) return mirror(Float64Array.from(this.#gram.sums), n);
    const pairs: PairOfColumns[] = [];
    for (let i = 0; i < n; i++) for (let j = i; j < n; j++) pairs.push({ kind: "dot", a: i, b: j });
    const sums = await this.#reduce(pairs);
    const gram = new Float64Array(n * n);
    const segments = this.space.segments.length;
    pairs.forEach(({ a, b }, p) => {
      for (let s = 0; s < segments; s++) {
        gram[a * n + b]! += (sums[p * segments + s] as number) * this.factors.at(s, a) * this.factors.at(s, b); // n × n
      }
    });
    return mirror(gram, n);
  }

  async statistics(vectors: number): Promise<VectorStatistics> {
    const segments = this.space.segments.length;
    const chosen = unmasked(this.columns).slice(0, vectors);
    const pairs = chosen.flatMap((a, i): PairOfColumns[] => [{ kind: "zeros", a, b: a }, ...chosen.slice(i).map((b): PairOfColumns => ({ kind: "dot", a, b }))]);
    const sums = await this.#reduce(pairs);
    const out = { dots: new Float64Array(segments * vectors * vectors), zeros: new Float64Array(segments * vectors) };
    pairs.forEach(({ kind, a, b }, p) => {
      const [i, j] = [chosen.indexOf(a), chosen.indexOf(b)];
      for (let s = 0; s < segments; s++) {
        const sum = sums[p * segments + s] as number;
        if (kind === "zeros") out.zeros[s * vectors + i] = sum;
        else putSymmetric(out.dots, s, vectors, i, j, sum * this.factors.at(s, a) * this.factors.at(s, b));
      }
    });
    const conflicts = await countConflicts(this.gpu, this.layout, this.slabs, this.columns, segments, chosen);
    return { ...out, conflicts };
  }

  /** For those who keep whole models in slabs of this layout: a resident swarm, a slot. */
  materialiser(flag: GPUBuffer, parts: readonly Part[]): Materialiser {
    return new Materialiser(this.gpu, this.layout, this.slabs, this.columns, this.#nonFinite.any, flag, parts);
  }

  openSlot(bind: "gpu" | "cpu"): Slot {
    return bind === "gpu" ? new GpuBoundSlot(this) : new CpuBoundSlot(this);
  }

  destroy(): void {
    for (const slab of this.slabs) freeSlab(this.gpu, slab);
  }
}
