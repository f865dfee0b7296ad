/**
 * How a space lies in GPU buffers. *Slabs* hold as many segments as one binding allows; a segment over the limit is cut
 * into *pieces*. Kernels walk *tiles*: up to 1,024 elements of one segment, a workgroup each, so that a coefficient is
 * looked up once a workgroup and no element asks where it is.
 */
import type { Limits } from "../gpu/device.ts";
import type { Columns } from "./columns.ts";
import { factorBytes } from "./lowrank/lowrank.ts";
import type { Space } from "./types.ts";

export const TILE_ELEMENTS = 1024;
/** Every piece starts at a multiple of this: two mask words, a whole number of vec4, 256 bytes of f32. */
const ALIGN_ELEMENTS = 64;

export interface Piece {
  readonly segment: number;
  readonly slab: number;
  /** First element within the segment, a multiple of 1,024. */
  readonly offset: number;
  readonly length: number;
  /** First element within the slab. */
  readonly at: number;
  readonly firstTile: number;
  readonly tiles: number;
}

export interface Slab {
  /** Padding included: a multiple of 64. */
  readonly elements: number;
  readonly pieces: readonly Piece[];
  readonly tiles: number;
}

export interface Layout {
  readonly slabs: readonly Slab[];
  readonly pieces: readonly Piece[];
  /** Padding included. */
  readonly elements: number;
}

export function layOut(space: Space, columns: Columns, limits: Limits): Layout {
  const bytes = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const denseBytes = columns.dense.length * (columns.precision === "f16" ? 2 : 4);
  const widest = Math.max(4, denseBytes, columns.masked.length / 8); // bytes an element of the largest buffer of a slab
  const capacity = Math.max(TILE_ELEMENTS, Math.floor(bytes / widest / TILE_ELEMENTS) * TILE_ELEMENTS);
  const slabs: { elements: number; pieces: Piece[]; tiles: number }[] = [];
  const pieces: Piece[] = [];
  let filled = 0; // bytes of factors in the last slab
  for (const segment of space.segments) {
    for (let offset = 0; offset < segment.length; ) {
      const length = Math.min(segment.length - offset, capacity);
      const room = Math.ceil(length / ALIGN_ELEMENTS) * ALIGN_ELEMENTS;
      let slab = slabs.at(-1);
      const factors = factorBytes(columns, segment, { offset, length });
      if (!slab || slab.elements + room > capacity || filled + factors > bytes) {
        slabs.push((slab = { elements: 0, pieces: [], tiles: 0 }));
        filled = 0;
      }
      filled += factors;
      const tiles = Math.ceil(length / TILE_ELEMENTS);
      const piece = { segment: segment.index, slab: slabs.length - 1, offset, length, at: slab.elements, firstTile: slab.tiles, tiles };
      slab.pieces.push(piece);
      pieces.push(piece);
      slab.elements += room;
      slab.tiles += tiles;
      offset += length;
    }
  }
  return { slabs, pieces, elements: slabs.reduce((sum, slab) => sum + slab.elements, 0) };
}

/** Four words a tile: first vec4 in the slab, elements, segment, first element within the segment. */
export function tileWords(slab: Slab): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(4 * slab.tiles);
  for (const piece of slab.pieces) {
    for (let t = 0; t < piece.tiles; t++) {
      const done = t * TILE_ELEMENTS;
      const elements = Math.min(TILE_ELEMENTS, piece.length - done);
      words.set([(piece.at + done) / 4, elements, piece.segment, piece.offset + done], 4 * (piece.firstTile + t));
    }
  }
  return words;
}
