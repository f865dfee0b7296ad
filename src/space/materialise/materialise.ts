/**
 * Writes candidates: one dispatch a part of a tensor, or a run of neighbours with the same coefficients; bind groups are made
 * once, uniforms are written anew a candidate.
 */
import type { Gpu } from "../../gpu/device.ts";
import { dispatchFolded } from "../../gpu/dispatch.ts";
import type { Columns } from "../columns.ts";
import type { Layout, Slab } from "../layout.ts";
import { type FactorPlace, placeWords } from "../lowrank/lowrank.ts";
import type { SlabBuffers } from "../slabs.ts";
import { materialiseCode } from "./code.ts";
import { activeLowTerms, activeTerms, mostLowTerms, mostTerms } from "./terms.ts";

export interface Part {
  readonly segment: number;
  readonly slab: number;
  /** First element in the slab, a multiple of 64. */
  readonly at: number;
  readonly length: number;
  /** First element in its segment. */
  readonly offset: number;
  /** Element of the slab that lies at the start of `out`, a multiple of 4. */
  readonly shift: number;
  readonly out: GPUBufferBinding;
  /** Whether `out` may be written in whole vec4: its end is one too. */
  readonly wide: boolean;
}

const THREADS = 128;
/** Parts begin at multiples of this, with zeros in between. */
const ALIGN = 64;
/** What halves read by shifting lack. */
const SHIFTED = 2 ** 112;

/** Head, terms, and (16 bytes more) terms of low rank. */
function partBytes(columns: Columns): number {
  return 16 + 16 * Math.max(1, mostTerms(columns)) + (columns.low.length > 0 ? 16 + 32 * mostLowTerms(columns) : 0);
}

export function uniformBytes(columns: Columns, alignment: number): number {
  return Math.ceil(partBytes(columns) / alignment) * alignment;
}

export class Materialiser {
  readonly #gpu: Gpu;
  readonly #layout: Layout;
  readonly #columns: Columns;
  readonly #careful: boolean;
  readonly #parts: readonly Part[];
  readonly #groups: readonly GPUBindGroup[];
  readonly #uniforms: GPUBuffer;
  readonly #step: number;
  /** Elements each part's dispatch writes: its own, those of the neighbours it takes along, or 0. */
  readonly #lengths: number[];
  /** Where factors lie that each part's tensor gets: by low-rank direction. */
  readonly #places: readonly ReadonlyMap<number, FactorPlace>[];
  #pipelines: { wide: GPUComputePipeline; narrow: GPUComputePipeline | null } | null = null;

  /**
   * `flag`: one word, set to 1 when a written weight is not finite; the caller clears and reads it.
   * `careful`: the basis holds numbers that are not finite.
   */
  constructor(gpu: Gpu, layout: Layout, slabs: readonly SlabBuffers[], columns: Columns, careful: boolean, flag: GPUBuffer, parts: readonly Part[]) {
    this.#gpu = gpu;
    this.#layout = layout;
    this.#columns = columns;
    this.#careful = careful;
    this.#parts = parts;
    this.#lengths = parts.map((part) => part.length);
    this.#step = uniformBytes(columns, gpu.limits.minUniformBufferOffsetAlignment);
    this.#uniforms = gpu.buffer("coefficients", this.#step * parts.length, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const { group } = layoutsOf(gpu);
    this.#places = parts.map(({ slab, segment }) => {
      const places = slabs[slab]?.low?.plan.places.filter(({ piece }) => piece.segment === segment) ?? [];
      return new Map(places.map((place) => [place.low.low, place]));
    });
    this.#groups = parts.map((part, i) => {
      const { base, deltas, masks, low } = slabs[part.slab] as SlabBuffers;
      const uniform = { buffer: this.#uniforms, offset: i * this.#step, size: partBytes(columns) };
      // A binding that no variant of these columns reads is given the base: never looked at.
      const resources = [uniform, base, deltas ?? base, masks ?? base, part.out, flag, low?.factors ?? base];
      const entries = resources.map((resource, binding) => ({ binding, resource: "usage" in resource ? { buffer: resource } : resource }));
      return gpu.device.createBindGroup({ layout: group, entries });
    });
  }

  /** The candidate to come, from `Factors.table`. */
  set(table: Float32Array): void {
    const terms = activeTerms(this.#columns, table);
    const lows = activeLowTerms(this.#columns, table);
    const half = this.#columns.precision === "f16";
    const largest = table.reduce((most, c) => Math.max(most, Math.abs(c)), 0);
    const careful = this.#careful || (half && !(largest * SHIFTED < 1e38)) || !(largest < Infinity);
    const scale = half && !careful ? SHIFTED : 1;
    this.#join(table);
    const words = new Uint32Array((this.#step / 4) * this.#parts.length);
    const numbers = new Float32Array(words.buffer);
    this.#parts.forEach((part, i) => {
      const { elements } = this.#layout.slabs[part.slab] as Slab;
      const row = part.segment * this.#columns.count;
      const c = (column: number | null | undefined) => (column == null ? 0 : (table[row + column] as number));
      let at = (i * this.#step) / 4;
      words.set([part.at / 4, this.#lengths[i] as number, part.shift / 4], at);
      numbers[at + 3] = c(0);
      for (const { dense, whole, masked } of terms) {
        at += 4;
        words.set([(dense * elements) / 4, ((masked?.plane ?? 0) * elements) / 32], at);
        numbers.set([scale * c(whole), scale * (c(whole) + c(masked?.column))], at + 2);
      }
      if (lows.length === 0) return;
      at = (i * this.#step) / 4 + 4 + 4 * Math.max(1, terms.length);
      const places = this.#places[i] as ReadonlyMap<number, FactorPlace>; // one a part
      words.set([places.values().next().value?.columns ?? 0, part.offset], at);
      at -= 4;
      for (const { low, whole, masked } of lows) {
        at += 8;
        const place = places.get(low);
        if (!place || (c(whole) === 0 && c(masked?.column) === 0)) continue; // words are 0 as they came: no groups
        words.set([...placeWords(place).slice(0, 3), ((masked?.plane ?? 0) * elements) / 32], at);
        numbers.set([c(whole), c(whole) + c(masked?.column)], at + 4);
      }
    });
    this.#gpu.device.queue.writeBuffer(this.#uniforms, 0, words);
    const masked = terms.some((term) => term.masked !== null);
    const pipeline = (wide: boolean) => {
      const text = materialiseCode({ terms: terms.length, lows: lows.length, lowMasked: lows.some((term) => term.masked !== null), masked, half, careful, wide, grain: this.#gpu.grain });
      return this.#gpu.pipeline(`materialise ${terms.length}${masked ? " masked" : ""}${lows.length ? ` and ${lows.length} of low rank` : ""}`, text, "main", layoutsOf(this.#gpu).pipeline);
    };
    this.#pipelines = { wide: pipeline(true), narrow: this.#parts.every((part) => part.wide) ? null : pipeline(false) };
  }

  /** Small tensors that lie side by side, and go side by side: dozens of dispatches would take longer than their work. */
  #join(table: Float32Array): void {
    const { count } = this.#columns;
    const row = ({ segment }: Part) => table.subarray(segment * count, (segment + 1) * count);
    let head = 0;
    this.#parts.forEach((part, i) => {
      const first = this.#parts[head] as Part;
      const before = this.#parts[i - 1];
      const gap = before ? part.at - before.at - before.length : -1;
      const beside = gap >= 0 && gap < ALIGN && part.slab === first.slab && part.shift === first.shift && part.out.buffer === first.out.buffer && part.wide && first.wide;
      const mine = row(part);
      const alone = (this.#places[i]?.size ?? 0) > 0 || (this.#places[head]?.size ?? 0) > 0; // each tensor has factors of its own
      if (i > 0 && !alone && beside && row(first).every((value, column) => value === mine[column])) {
        this.#lengths[head] = part.at + part.length - first.at; // the padding in between is 0 and stays so
        this.#lengths[i] = 0;
        return;
      }
      head = i;
      this.#lengths[i] = part.length;
    });
  }

  encode(pass: GPUComputePassEncoder, from = 0, to = this.#parts.length): void {
    let current: GPUComputePipeline | null = null;
    for (let i = from; i < to; i++) {
      const part = this.#parts[i] as Part;
      const length = this.#lengths[i] as number;
      if (length === 0) continue;
      const pipeline = (part.wide ? this.#pipelines?.wide : this.#pipelines?.narrow) as GPUComputePipeline; // `set` came first
      if (pipeline !== current) pass.setPipeline((current = pipeline));
      pass.setBindGroup(0, this.#groups[i] as GPUBindGroup);
      dispatchFolded(pass, Math.ceil(length / (4 * this.#gpu.grain * THREADS)));
    }
  }

  destroy(): void {
    this.#gpu.free(this.#uniforms);
  }
}

const layouts = new WeakMap<Gpu, { group: GPUBindGroupLayout; pipeline: GPUPipelineLayout }>();

/** One layout for all variants, so that a part's bind group serves them all. */
function layoutsOf(gpu: Gpu) {
  let found = layouts.get(gpu);
  if (!found) {
    const types = ["uniform", "read-only-storage", "read-only-storage", "read-only-storage", "storage", "storage", "read-only-storage"] as const;
    const entries = types.map((type, binding) => ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
    const group = gpu.device.createBindGroupLayout({ label: "materialise", entries });
    layouts.set(gpu, (found = { group, pipeline: gpu.device.createPipelineLayout({ bindGroupLayouts: [group] }) }));
  }
  return found;
}
