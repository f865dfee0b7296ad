/** Half floats: f32 ↔ 16 bits, round to nearest, ties to even; NaN stays NaN, too large becomes infinity. */
const one = new Float32Array(1);
const oneBits = new Uint32Array(one.buffer);

export function f16FromF32(value: number): number {
  one[0] = value;
  const bits = oneBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x477ff000) return sign | 0x7c00; // 65520 and above round to infinity
  if (size >= 0x38800000) return sign | evenShift(size - 0x38000000, 13);
  if (size <= 0x33000000) return sign; // 2⁻²⁵ ties to zero
  return sign | evenShift((size & 0x7fffff) | 0x800000, 126 - (size >>> 23)); // subnormal half
}

export function f32FromF16(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Shift right, rounding to nearest even. A carry runs into the exponent, as it should. */
function evenShift(bits: number, by: number): number {
  const kept = bits >>> by;
  const rest = bits & ((1 << by) - 1);
  const half = 1 << (by - 1);
  return rest > half || (rest === half && kept & 1) ? kept + 1 : kept;
}

type HalfArray = Float32Array; // as far as set() goes
const NativeHalf = (globalThis as { Float16Array?: new (buffer: ArrayBufferLike, offset: number, length: number) => HalfArray }).Float16Array;

/** `out` ← `values`; both as long. */
export function f16Into(values: Float32Array, out: Uint16Array): void {
  if (NativeHalf) new NativeHalf(out.buffer, out.byteOffset, values.length).set(values);
  else roundInto(values, out);
}

/** The bulk of f16FromF32, in signed words. */
function roundInto(values: Float32Array, out: Uint16Array): void {
  const all = new Int32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < all.length; i++) {
    const bits = all[i] as number;
    const size = bits & 0x7fffffff;
    let half: number;
    if (size >= 0x47800000) half = size > 0x7f800000 ? 0x7e00 : 0x7c00;
    else if (size >= 0x38800000) half = ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) | 0) >>> 13;
    else {
      one[0] = Math.abs(values[i] as number) + 0.5; // f32 at 0.5 has steps of 2⁻²⁴, a subnormal half's: the sum rounds for us
      half = (oneBits[0] as number) - 0x3f000000;
    }
    out[i] = ((bits >>> 16) & 0x8000) | half;
  }
}

/** Every half once: 256 kB, made when first needed. */
let table: Float32Array | null = null;

/** `out` ← `halves`; both as long. */
export function f32FromF16Into(halves: Uint16Array, out: Float32Array): void {
  table ??= Float32Array.from({ length: 65536 }, (_, half) => f32FromF16(half));
  for (let i = 0; i < halves.length; i++) out[i] = table[halves[i] as number] as number;
}

export function f16Array(values: Float32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(values.length);
  f16Into(values, out);
  return out;
}

export function f32FromF16Array(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Float32Array(halves.length);
  f32FromF16Into(halves, out);
  return out;
}
