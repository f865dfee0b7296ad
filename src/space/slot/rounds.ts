/**
 * The way of a model from slabs to the CPU: *chunks* of tiles go through a small scratch into staging, as many a *round*
 * (one wait for the GPU) as staging holds.
 */
import type { Layout, Slab } from "../layout.ts";

/** Where elements of a chunk belong. */
export interface Scatter {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
  /** First element within the staging buffer. */
  readonly from: number;
}

export interface Chunk {
  readonly slab: number;
  readonly firstTile: number;
  readonly tiles: number;
  /** Elements `start .. start + elements` of the slab, padding between tensors included. */
  readonly start: number;
  readonly elements: number;
  /** First element within the staging buffer. */
  readonly at: number;
}

export interface Round {
  readonly chunks: readonly Chunk[];
  readonly scatter: readonly Scatter[];
  readonly elements: number;
}

const ALIGN = 64;
/** Staging of a small model holds all of it: one wait a candidate. */
const STAGING_ELEMENTS = (64 * 2 ** 20) / 4;

export function stagingElements(layout: Layout): number {
  return Math.min(layout.elements, STAGING_ELEMENTS);
}

/** A 16th of staging: with a base and N directions, N + 2.06 models and the masks. At least four tiles. */
export function scratchElements(layout: Layout): number {
  return Math.min(stagingElements(layout), Math.max(4096, Math.ceil(stagingElements(layout) / 16 / 1024) * 1024));
}

export function planRounds(layout: Layout): Round[] {
  const capacity = stagingElements(layout);
  const most = scratchElements(layout);
  const rounds: { chunks: Chunk[]; scatter: Scatter[]; elements: number }[] = [];
  let round: (typeof rounds)[number] | null = null;
  layout.slabs.forEach((slab: Slab, s) => {
    let chunk: { -readonly [K in keyof Chunk]: Chunk[K] } | null = null;
    for (const piece of slab.pieces) {
      for (let t = 0; t < piece.tiles; t++) {
        const start = piece.at + 1024 * t;
        const length = Math.min(1024, piece.length - 1024 * t);
        const end = start + Math.ceil(length / ALIGN) * ALIGN;
        const grown = chunk ? end - chunk.start - chunk.elements : 0;
        if (!chunk || end - chunk.start > most || (round && round.elements + grown > capacity)) {
          if (!round || round.elements + end - start > capacity) rounds.push((round = { chunks: [], scatter: [], elements: 0 }));
          chunk = { slab: s, firstTile: piece.firstTile + t, tiles: 0, start, elements: 0, at: round.elements };
          round.chunks.push(chunk);
        }
        const open = round as (typeof rounds)[number]; // opened with the chunk
        const from = chunk.at + start - chunk.start;
        const last = open.scatter.at(-1);
        if (last && last.segment === piece.segment && last.from + last.length === from) {
          open.scatter[open.scatter.length - 1] = { ...last, length: last.length + length };
        } else {
          open.scatter.push({ segment: piece.segment, offset: piece.offset + 1024 * t, length, from });
        }
        chunk.tiles++;
        open.elements += end - chunk.start - chunk.elements;
        chunk.elements = end - chunk.start;
      }
    }
  });
  return rounds;
}
