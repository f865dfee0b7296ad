/** Half floats and bfloat16: f32 ↔ 16 bits, round to nearest, ties to even; NaN stays NaN, too large becomes infinity. */
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

export function bf16FromF32(value: number): number {
  one[0] = value;
  const bits = oneBits[0] as number;
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // stays a NaN
  return evenShift(bits, 16) & 0xffff;
}

export function f32FromBf16(bits: number): number {
  oneBits[0] = bits << 16;
  return one[0] as number;
}

/** Shift right, rounding to nearest even. A carry runs into the exponent, as it should. */
function evenShift(bits: number, by: number): number {
  const kept = bits >>> by;
  const rest = bits & ((1 << by) - 1);
  const half = 1 << (by - 1);
  return rest > half || (rest === half && kept & 1) ? kept + 1 : kept;
}

type HalfArray = new (from: Float32Array) => { readonly buffer: ArrayBuffer };
const NativeHalf = (globalThis as { Float16Array?: HalfArray }).Float16Array; // ten times faster, where it is

export function f16Array(values: Float32Array): Uint16Array<ArrayBuffer> {
  if (NativeHalf) return new Uint16Array(new NativeHalf(values).buffer);
  return Uint16Array.from(values, f16FromF32);
}

/** Every half once: 256 kB, made when first needed. */
let table: Float32Array | null = null;

export function f32FromF16Array(halves: Uint16Array): Float32Array<ArrayBuffer> {
  table ??= Float32Array.from({ length: 65536 }, (_, half) => f32FromF16(half));
  const out = new Float32Array(halves.length);
  for (let i = 0; i < out.length; i++) out[i] = table[halves[i] as number] as number;
  return out;
}

export function bf16Array(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, bf16FromF32);
}

export function f32FromBf16Array(halves: Uint16Array): Float32Array<ArrayBuffer> {
  const bits = Uint32Array.from(halves, (half) => half << 16);
  return new Float32Array(bits.buffer);
}
