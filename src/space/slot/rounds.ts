/**
 * The way of a model from slabs to the CPU: *chunks* go through a small scratch into staging, as many a *round* (one wait
 * for the GPU) as staging holds.
 */
import { type Layout, TILE_ELEMENTS } from "../layout.ts";

/** Elements of one tensor within a chunk. */
export interface ChunkPart {
  readonly segment: number;
  /** First element within the tensor, and within the slab. */
  readonly offset: number;
  readonly at: number;
  readonly length: number;
}

export interface Chunk {
  readonly slab: number;
  /** Elements `start .. start + elements` of the slab, padding between tensors included. */
  readonly start: number;
  readonly elements: number;
  /** First element within the staging buffer. */
  readonly staged: number;
  readonly parts: readonly ChunkPart[];
}

export interface Round {
  readonly chunks: readonly Chunk[];
  readonly elements: number;
}

type Open<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer E)[] ? Open<E>[] : T[K] };

const ALIGN = 64;
/** Staging of a small model holds all of it: one wait a candidate. */
const STAGING_ELEMENTS = (64 * 2 ** 20) / 4;

export function stagingElements(layout: Layout): number {
  return Math.min(layout.elements, STAGING_ELEMENTS);
}

/** A 16th of staging: base, N directions, staging and scratch make N + 2.06 models, masks apart. At least four tiles. */
export function scratchElements(layout: Layout): number {
  const share = Math.ceil(stagingElements(layout) / 16 / TILE_ELEMENTS) * TILE_ELEMENTS;
  return Math.min(stagingElements(layout), Math.max(4 * TILE_ELEMENTS, share));
}

export function planRounds(layout: Layout): Round[] {
  const capacity = stagingElements(layout);
  const most = scratchElements(layout);
  const rounds: Open<Round>[] = [];
  for (const [s, slab] of layout.slabs.entries()) {
    let chunk: Open<Chunk> | null = null;
    for (const piece of slab.pieces) {
      for (let done = 0; done < piece.length; done += TILE_ELEMENTS) {
        const at = piece.at + done;
        const length = Math.min(TILE_ELEMENTS, piece.length - done);
        const end = at + Math.ceil(length / ALIGN) * ALIGN;
        let round = rounds.at(-1);
        const grown: number = chunk ? end - chunk.start - chunk.elements : end - at;
        if (!round || round.elements + grown > capacity) {
          rounds.push((round = { chunks: [], elements: 0 }));
          chunk = null;
        }
        if (!chunk || end - chunk.start > most) {
          round.chunks.push((chunk = { slab: s, start: at, elements: 0, staged: round.elements, parts: [] }));
        }
        const last: Open<ChunkPart> | undefined = chunk.parts.at(-1);
        if (last?.segment === piece.segment) last.length += length;
        else chunk.parts.push({ segment: piece.segment, offset: piece.offset + done, at, length });
        round.elements += end - chunk.start - chunk.elements;
        chunk.elements = end - chunk.start;
      }
    }
  }
  return rounds;
}
