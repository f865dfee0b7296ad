/** Grey or colour bytes to `pixel_values`, as the model's `preprocessor_config.json` says. */
import type { ImagePreprocessor } from "../checkpoint/types.ts";
import { LabError } from "../lib/error.ts";

/**
 * `bytes`: `[count × height × width × channels]`, 0..255, at the model's input size.
 * Returns `[count × channels × height × width]`: (v·rescale − mean) / std, a channel at a time.
 */
export function pixelValues(bytes: Uint8Array, count: number, size: { width: number; height: number; channels: number }, preprocessor: ImagePreprocessor): Float32Array {
  const { width, height, channels } = size;
  if (width !== preprocessor.width || height !== preprocessor.height || channels !== preprocessor.channels) {
    throw new LabError(
      "bad-samples",
      `The samples are ${width}×${height} with ${channels} channel(s), the model takes ${preprocessor.width}×${preprocessor.height} with ${preprocessor.channels}. Store samples at the model's input size.`,
    );
  }
  const plane = width * height;
  const values = new Float32Array(count * channels * plane);
  for (let c = 0; c < channels; c++) {
    // Rounded to float32 step by step, as image processors in float32 do.
    const table = Float32Array.from({ length: 256 }, (_, v) =>
      Math.fround(Math.fround(Math.fround(v * preprocessor.rescale) - preprocessor.mean[c]) / preprocessor.std[c]),
    );
    for (let sample = 0; sample < count; sample++) {
      const from = sample * plane * channels + c;
      const to = (sample * channels + c) * plane;
      for (let p = 0; p < plane; p++) values[to + p] = table[bytes[from + p * channels]];
    }
  }
  return values;
}
