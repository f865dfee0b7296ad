/** PNG → bytes 0..255 with the channels asked for. */
import { decode } from "fast-png";
import { LabError } from "../../lib/error.ts";

export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** `[height × width × channels]` */
  readonly pixels: Uint8Array;
}

/** 100 megapixels: a sheet of 100,000 tiles of 28 × 28 has 78. */
const PIXELS_MAX = 1e8;

export function decodePng(bytes: Uint8Array, file: string): Picture {
  // Width and height stand in the header: looked at before anything is unpacked.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33 || view.getUint32(0) !== 0x89504e47) throw new LabError("bad-samples", `${file} is not a PNG image.`);
  if (view.getUint32(16) * view.getUint32(20) > PIXELS_MAX) throw new LabError("bad-samples", `${file} is ${view.getUint32(16)}×${view.getUint32(20)} pixels; at most ${PIXELS_MAX / 1e6} million are read.`);
  let png: ReturnType<typeof decode>;
  try {
    png = decode(bytes);
  } catch (cause) {
    throw new LabError("bad-samples", `${file} is a damaged PNG image (${(cause as Error).message}).`, { cause });
  }
  const { width, height, channels, depth } = png;
  if (png.palette) throw new LabError("bad-samples", `${file} has a palette; store it as grey or RGB.`);
  if (depth < 8) return { width, height, channels, pixels: unpack(png.data as Uint8Array, width * channels, height, depth) };
  const pixels = depth === 16 ? Uint8Array.from(png.data, (v) => v >> 8) : Uint8Array.from(png.data);
  return { width, height, channels, pixels };
}

/** Samples of 1, 2 or 4 bits; each row begins on a byte. */
function unpack(data: Uint8Array, perRow: number, rows: number, depth: number): Uint8Array {
  const rowBytes = Math.ceil((perRow * depth) / 8);
  const top = 2 ** depth - 1;
  const out = new Uint8Array(perRow * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < perRow; x++) {
      const bit = x * depth;
      const byte = data[y * rowBytes + (bit >> 3)] ?? 0;
      out[y * perRow + x] = Math.round((((byte >> (8 - depth - (bit & 7))) & top) * 255) / top);
    }
  }
  return out;
}

/** Grey ↔ colour; an alpha channel is dropped. Luma as ITU-R 601, rounded: what PIL's convert("L") gives. */
export function toChannels({ pixels, channels, width, height }: Picture, wanted: number, file: string): Uint8Array {
  if (channels === wanted) return pixels;
  const colours = channels <= 2 ? 1 : 3;
  if (wanted !== 1 && wanted !== 3) throw new LabError("bad-samples", `${file} cannot become an image of ${wanted} channels.`);
  const out = new Uint8Array(width * height * wanted);
  for (let i = 0; i < width * height; i++) {
    const at = (c: number) => pixels[i * channels + c] ?? 0;
    if (wanted === 1) out[i] = colours === 1 ? at(0) : (at(0) * 19595 + at(1) * 38470 + at(2) * 7471 + 0x8000) >> 16;
    else for (let c = 0; c < 3; c++) out[i * 3 + c] = at(colours === 1 ? 0 : c);
  }
  return out;
}
