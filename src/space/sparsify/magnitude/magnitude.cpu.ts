/**
 * The definition of a magnitude mask: exactly max(1, floor(density·n)) largest |δ|; equal ones: lower checkpoint index
 * first. A radix select on the bits of |δ| (their order is the order of the numbers; NaN counts as largest), no sort.
 */
import { checkpointIndex, type Segment } from "../../types.ts";

export function keptCount(length: number, density: number): number {
  return length === 0 ? 0 : Math.max(1, Math.floor(density * length));
}

export function magnitude(delta: Float32Array, segment: Pick<Segment, "shape" | "transposed">, density: number): Uint32Array {
  const mask = new Uint32Array(Math.ceil(delta.length / 32));
  if (delta.length === 0) return mask;
  const bits = new Uint32Array(delta.buffer, delta.byteOffset, delta.length);
  let wanted = keptCount(delta.length, density);
  // 31 bits in two digits, high one first: in each the bin that holds the wanted-th largest.
  let threshold = 0;
  for (const shift of [16, 0]) {
    const counts = new Uint32Array(65536);
    for (const b of bits) {
      const size = b & 0x7fffffff;
      if (shift === 16 || size >>> 16 === threshold >>> 16) counts[(size >>> shift) & 0xffff]!++; // 16 bits: inside
    }
    let bin = 65535;
    while ((counts[bin] as number) < wanted) wanted -= counts[bin--] as number;
    threshold |= bin << shift;
  }
  // All above the threshold, and the first `wanted` of those on it.
  const ties: number[] = [];
  for (let i = 0; i < bits.length; i++) {
    const size = (bits[i] as number) & 0x7fffffff;
    if (size > threshold) mask[i >>> 5]! |= 1 << (i & 31); // one word per 32 elements
    else if (size === threshold) ties.push(i);
  }
  if (segment.transposed) ties.sort((a, b) => checkpointIndex(segment, a) - checkpointIndex(segment, b));
  for (const i of ties.slice(0, wanted)) mask[i >>> 5]! |= 1 << (i & 31);
  return mask;
}
