/** Stored elements ↔ f32, in bulk. Little-endian, as every machine that runs a browser is. */
import { bf16Into, f32FromBf16Into } from "../../lib/bf16.ts";
import { f16Into, f32FromF16Into } from "../../lib/f16.ts";
import type { FloatDtype } from "./dtype.ts";

/** `into`, or an array of its own (for F32 the bytes themselves, where they lie on whole words). As long as the elements. */
export function floatsOf(bytes: Uint8Array<ArrayBuffer>, dtype: FloatDtype, into?: Float32Array): Float32Array {
  const each = dtype === "F64" ? 8 : dtype === "F32" ? 4 : 2;
  const { buffer, byteOffset } = bytes.byteOffset % each === 0 ? bytes : bytes.slice();
  const length = bytes.length / each;
  if (dtype === "F32") {
    const stored = new Float32Array(buffer, byteOffset, length);
    if (!into) return stored;
    into.set(stored);
    return into.subarray(0, length);
  }
  const out = into ? into.subarray(0, length) : new Float32Array(length);
  if (dtype === "F64") out.set(new Float64Array(buffer, byteOffset, length));
  else if (dtype === "BF16") f32FromBf16Into(new Uint16Array(buffer, byteOffset, length), out);
  else f32FromF16Into(new Uint16Array(buffer, byteOffset, length), out);
  return out;
}

/** Rounds f32 to a stored type; keeps one buffer for all it encodes, so each result lives until the next. */
export class Encoder {
  #buffer = new ArrayBuffer(0);

  encode(values: Float32Array, dtype: FloatDtype): Uint8Array {
    if (dtype === "F32") return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const bytes = values.length * (dtype === "F64" ? 8 : 2);
    if (this.#buffer.byteLength < bytes) this.#buffer = new ArrayBuffer(bytes);
    if (dtype === "F64") new Float64Array(this.#buffer, 0, values.length).set(values);
    else if (dtype === "BF16") bf16Into(values, new Uint16Array(this.#buffer, 0, values.length));
    else f16Into(values, new Uint16Array(this.#buffer, 0, values.length));
    return new Uint8Array(this.#buffer, 0, bytes);
  }
}
