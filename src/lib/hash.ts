/** FNV-1a, 64 bit, over UTF-8: names enter random counters by it (http://www.isthe.com/chongo/tech/comp/fnv/). */
const encoder = new TextEncoder();

/** `[low, high]` 32-bit halves. */
export function fnv1a64(text: string): [number, number] {
  let hash = 0xcbf29ce484222325n;
  for (const byte of encoder.encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return [Number(hash & 0xffffffffn), Number(hash >> 32n)];
}
