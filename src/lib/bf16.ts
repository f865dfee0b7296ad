/**
 * bfloat16: the upper half of an f32. Rounded to nearest, ties to even; NaN stays NaN, too large becomes infinity.
 * The loops read and write signed 32-bit words, several elements a turn: unsigned ones above 2³¹ would become doubles.
 */
const one = new Float32Array(1);
const oneBits = new Int32Array(one.buffer);

export function bf16FromF32(value: number): number {
  one[0] = value;
  return rounded(oneBits[0] as number);
}

export function f32FromBf16(bits: number): number {
  oneBits[0] = bits << 16;
  return one[0] as number;
}

/** f32 bits → bf16 bits. 0x7fff plus the last kept bit carries exactly where the rest is above half, or half of an odd. */
function rounded(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // NaN: never rounded up into infinity
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) | 0) >>> 16;
}

/** `out` ← `values`; both as long. */
export function bf16Into(values: Float32Array, out: Uint16Array): void {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const pairs = isWhole(out) ? values.length >> 1 : 0;
  const words = new Int32Array(out.buffer, pairs ? out.byteOffset : 0, pairs);
  for (let i = 0, j = 0; i < pairs; i++, j += 2) words[i] = rounded(bits[j] as number) | (rounded(bits[j + 1] as number) << 16);
  for (let i = 2 * pairs; i < bits.length; i++) out[i] = rounded(bits[i] as number);
}

/** `out` ← `halves`; both as long. */
export function f32FromBf16Into(halves: Uint16Array, out: Float32Array): void {
  const bits = new Int32Array(out.buffer, out.byteOffset, halves.length);
  const fours = isWhole(halves) ? halves.length >> 2 : 0;
  const words = new Int32Array(halves.buffer, fours ? halves.byteOffset : 0, 2 * fours);
  for (let i = 0, j = 0; i < words.length; i += 2, j += 4) {
    const low = words[i] as number;
    const high = words[i + 1] as number;
    bits[j] = low << 16;
    bits[j + 1] = low & -65536;
    bits[j + 2] = high << 16;
    bits[j + 3] = high & -65536;
  }
  for (let i = 4 * fours; i < bits.length; i++) bits[i] = (halves[i] as number) << 16;
}

/** Whether 32-bit words can be laid over it. */
const isWhole = (halves: Uint16Array): boolean => halves.byteOffset % 4 === 0;

export function bf16Array(values: Float32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(values.length);
  bf16Into(values, out);
  return out;
}

export function f32FromBf16Array(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(halves.length);
  f32FromBf16Into(halves, out);
  return out;
}
