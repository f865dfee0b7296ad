/** Element types of safetensors, as the reference implementation (safetensors 0.8) names and sizes them. */
export const bitsEach = {
  BOOL: 8, U8: 8, I8: 8, U16: 16, I16: 16, U32: 32, I32: 32, U64: 64, I64: 64,
  F16: 16, BF16: 16, F32: 32, F64: 64, C64: 64,
  F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8,
  F4: 4, F6_E2M3: 6, F6_E3M2: 6,
} as const;

export type Dtype = keyof typeof bitsEach;

export const isDtype = (name: string): name is Dtype => Object.hasOwn(bitsEach, name);

/** Types whose elements are read and written as f32. The others are carried through as bytes. */
export type FloatDtype = "F32" | "F16" | "BF16" | "F64";

const floats: ReadonlySet<string> = new Set<FloatDtype>(["F32", "F16", "BF16", "F64"]);

export const isFloatDtype = (dtype: Dtype): dtype is FloatDtype => floats.has(dtype);

/** Bytes that so many elements take; null where that is no whole number of bytes, or none that can be counted. */
export function bytesOf(dtype: Dtype, elements: number): number | null {
  const bits = elements * bitsEach[dtype];
  return Number.isSafeInteger(bits) && bits % 8 === 0 ? bits / 8 : null;
}

/** Product of dims; null where it cannot be counted. A scalar, `[]`, has one element. */
export function elementsOf(shape: readonly number[]): number | null {
  let elements = 1;
  for (const dim of shape) elements *= dim;
  // A product that grew too large and met a 0 later is as wrong as one that did not.
  return Number.isSafeInteger(elements) && shape.reduce((product, dim) => product * Math.max(dim, 1), 1) <= Number.MAX_SAFE_INTEGER ? elements : null;
}

/** "384×1536"; a scalar is "a single number". */
export const shapeText = (shape: readonly number[]): string => (shape.length ? shape.join("×") : "a single number");
