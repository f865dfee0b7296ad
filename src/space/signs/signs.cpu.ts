/** Elements at which some vector is positive and another negative: what a plain sum would cancel. */
import { BLOCK_ELEMENTS } from "../reduce/reduce.cpu.ts";

/** One count a block of 1,024 elements. */
export function conflictBlocks(vectors: readonly Float32Array[], length: number): Uint32Array {
  const counts = new Uint32Array(Math.ceil(length / BLOCK_ELEMENTS));
  for (let block = 0; block < counts.length; block++) {
    const end = Math.min((block + 1) * BLOCK_ELEMENTS, length);
    let conflicts = 0;
    for (let i = block * BLOCK_ELEMENTS; i < end; i++) {
      let signs = 0; // bit 0: a positive one, bit 1: a negative one
      for (let v = 0; v < vectors.length; v++) {
        const value = (vectors[v] as Float32Array)[i] as number;
        signs |= value > 0 ? 1 : value < 0 ? 2 : 0;
      }
      if (signs === 3) conflicts++;
    }
    counts[block] = conflicts;
  }
  return counts;
}
