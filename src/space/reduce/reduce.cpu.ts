/**
 * Sums in a fixed order, whatever the device and however a tensor is cut: blocks of 1,024 elements counted from the
 * tensor's start; in a block 256 f32 lanes (element i goes to lane i mod 256), added pairwise; blocks in f64, in order.
 */
export const BLOCK_ELEMENTS = 1024;

/** Σ|a|, Σ a·b, or how many a are exactly 0 (of a whole column). */
export type Reduction = "l1" | "dot" | "zeros";

/** One partial sum a block. Elements whose bit is 0 in a given mask count as 0. */
export function reduceBlocks(
  kind: Reduction, a: Float32Array, b: Float32Array, maskA: Uint32Array | null, maskB: Uint32Array | null,
): Float32Array {
  const partials = new Float32Array(Math.ceil(a.length / BLOCK_ELEMENTS));
  const lanes = new Float32Array(256);
  for (let block = 0; block < partials.length; block++) {
    lanes.fill(0);
    const end = Math.min((block + 1) * BLOCK_ELEMENTS, a.length);
    for (let i = block * BLOCK_ELEMENTS; i < end; i++) {
      if (maskA && !(((maskA[i >>> 5] as number) >>> (i & 31)) & 1)) continue;
      if (maskB && !(((maskB[i >>> 5] as number) >>> (i & 31)) & 1)) continue;
      const value = a[i] as number;
      const term = kind === "l1" ? Math.abs(value) : kind === "zeros" ? Number(value === 0) : value * (b[i] as number);
      lanes[i & 255] = (lanes[i & 255] as number) + term;
    }
    partials[block] = addPairwise(lanes);
  }
  return partials;
}

/** (x + y) + (z + w) of each four, then halves onto halves, each rounded to f32: the kernel's tree. */
function addPairwise(lanes: Float32Array): number {
  const sums = new Float32Array(64);
  for (let t = 0; t < 64; t++) {
    const [x, y, z, w] = lanes.subarray(4 * t, 4 * t + 4) as unknown as [number, number, number, number];
    sums[t] = Math.fround(x + y) + Math.fround(z + w);
  }
  for (let stride = 32; stride > 0; stride >>= 1) {
    for (let t = 0; t < stride; t++) sums[t] = (sums[t] as number) + (sums[t + stride] as number);
  }
  return sums[0] as number;
}

export function addBlocks(partials: Float32Array | Uint32Array): number {
  let sum = 0;
  for (const partial of partials) sum += partial;
  return sum;
}
