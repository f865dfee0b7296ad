/** Elements of a tensor with an adapter's change on it: read as they lie, changed, rounded to what the model stores. */
import { AdaptedTensor } from "../checkpoint/lora/adaptedTensor.ts";
import type { FloatDtype } from "../checkpoint/safetensors/dtype.ts";
import { Encoder, floatsOf } from "../checkpoint/safetensors/elements.ts";
import type { ByteSource } from "../checkpoint/safetensors/source.ts";
import type { AdaptedPlace, PlacedTensor } from "../threads/streaming.ts";

/** Elements from..to−1, in `into` where it is given and as long. */
export type ReadFloats = (from: number, to: number, into?: Float32Array) => Promise<Float32Array>;

/** Factors are read the first time anything is, and stay as long as the function. */
export async function adaptedFloats(stored: ReadFloats, { dtype, weight, bias }: AdaptedPlace, sourceOf: (place: number) => Promise<ByteSource>): Promise<ReadFloats> {
  const whole = async (placed: PlacedTensor): Promise<Float32Array<ArrayBuffer>> => {
    const bytes = await (await sourceOf(placed.place)).read(placed.offset, placed.offset + placed.bytes);
    return Float32Array.from(floatsOf(bytes, placed.dtype as FloatDtype)); // an adapter holds floats only
  };
  const tensor = weight && new AdaptedTensor(weight, { a: await whole(weight.a), b: await whole(weight.b), magnitude: weight.magnitude && (await whole(weight.magnitude)) });
  const added = bias && (await whole(bias.added));
  const encoder = new Encoder();
  return async (from, to, into) => {
    const out = into ?? new Float32Array(to - from);
    const own = new Float32Array(to - from); // nobody else's, whatever happens to memory while it is waited for
    if (tensor) await tensor.read(stored, from, to, own);
    else own.set(await stored(from, to));
    if (bias && added) for (let i = 0; i < own.length; i++) own[i] = (own[i] as number) + bias.scale * (added[from + i] as number);
    return dtype === "F32" ? (out.set(own), out) : floatsOf(encoder.encode(own, dtype) as Uint8Array<ArrayBuffer>, dtype, out);
  };
}
