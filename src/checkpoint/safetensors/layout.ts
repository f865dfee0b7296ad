/** Where each tensor will lie before any is made: shards, headers, offsets, and the index over them. */
import { LabError } from "../../lib/error.ts";
import { bitsEach, bytesOf, type Dtype, elementsOf, isDtype, shapeText } from "./dtype.ts";
import { HEADER_BYTES_MAX, METADATA, quoted, type StoredTensor } from "./header.ts";
import { INDEX, SINGLE } from "./shards.ts";

export interface NewTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export interface LayoutOptions {
  /** Bytes of tensors in a file; a larger tensor has a file of its own. */
  readonly maxShardBytes?: number;
  /** `{ format: "pt" }` unless told; left out where it is empty. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface NewFile {
  readonly path: string;
  /** Length of the finished file. */
  readonly bytes: number;
  /** Length, JSON, and spaces up to a multiple of 8. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** In the order they lie, which is the order to write them in. */
  readonly tensors: readonly StoredTensor[];
}

export interface Layout {
  readonly files: readonly NewFile[];
  /** `model.safetensors.index.json`; null where one file holds all. */
  readonly index: { readonly path: string; readonly bytes: Uint8Array<ArrayBuffer> } | null;
  /** Bytes of all tensors. */
  readonly totalBytes: number;
}

/** mergekit's `--out-shard-size` unless told: 5B. */
export const SHARD_BYTES = 5_000_000_000;

type Sized = NewTensor & { readonly elements: number; readonly bytes: number };

/**
 * Tensors fill shards in the order given. Inside a file those of larger elements come first, as the reference implementation
 * has it: PyTorch cannot lay a tensor over bytes that start off its element size. Among equals the order stays.
 */
export function layOut(tensors: readonly NewTensor[], { maxShardBytes = SHARD_BYTES, metadata = { format: "pt" } }: LayoutOptions = {}): Layout {
  if (!(maxShardBytes >= 1)) throw new LabError("bad-arguments", `A shard of ${maxShardBytes} bytes holds nothing. Give a size such as 5000000000.`);
  const sized = sizes(tensors);
  const shards = inShards(sized, maxShardBytes);
  const paths = shards.map((_, i) => (shards.length === 1 ? SINGLE : `model-${number(i + 1)}-of-${number(shards.length)}.safetensors`));
  const files = shards.map((shard, i) => layFile(paths[i] as string, shard, metadata)); // one path a shard
  const totalBytes = sized.reduce((sum, tensor) => sum + tensor.bytes, 0);
  const index = files.length > 1 ? { path: INDEX, bytes: indexOf(files, totalBytes) } : null;
  return { files, index, totalBytes };
}

const number = (n: number): string => String(n).padStart(5, "0");

function sizes(tensors: readonly NewTensor[]): Sized[] {
  const seen = new Set<string>([METADATA]);
  return tensors.map(({ name, dtype, shape }) => {
    if (seen.has(name)) throw new LabError("internal", name === METADATA ? `No tensor can be called ${METADATA}.` : `${quoted(name)} cannot be written twice.`);
    seen.add(name);
    const elements = elementsOf(shape);
    const bytes = elements === null || !isDtype(dtype) || !shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0) ? null : bytesOf(dtype, elements);
    if (elements === null || bytes === null) throw new LabError("internal", `${quoted(name)} cannot be written as ${dtype} of shape ${shapeText(shape)}.`);
    return { name, dtype, shape, elements, bytes };
  });
}

function inShards(tensors: readonly Sized[], most: number): Sized[][] {
  let shard: Sized[] = [];
  let filled = 0;
  const shards = [shard];
  for (const tensor of tensors) {
    if (shard.length > 0 && filled + tensor.bytes > most) {
      shards.push((shard = []));
      filled = 0;
    }
    shard.push(tensor);
    filled += tensor.bytes;
  }
  return shards;
}

function layFile(path: string, shard: readonly Sized[], metadata: Readonly<Record<string, string>>): NewFile {
  const ordered = [...shard].sort((a, b) => bitsEach[b.dtype] - bitsEach[a.dtype]);
  let end = 0;
  const entries = Object.keys(metadata).length ? [`"${METADATA}":${JSON.stringify(metadata)}`] : [];
  for (const { name, dtype, shape, bytes } of ordered) {
    entries.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [end, end + bytes] })}`);
    end += bytes;
  }
  const header = headerBytes(`{${entries.join(",")}}`, path);
  let offset = header.length;
  const tensors = ordered.map((tensor) => {
    const stored = { ...tensor, file: path, offset };
    offset += tensor.bytes;
    return stored;
  });
  return { path, bytes: offset, header, tensors };
}

function headerBytes(text: string, path: string): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(text);
  const padded = Math.ceil(json.length / 8) * 8;
  if (padded > HEADER_BYTES_MAX) throw new LabError("internal", `The header of ${path} would have ${padded} bytes, more than any reader takes. Write smaller shards.`);
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

function indexOf(files: readonly NewFile[], totalBytes: number): Uint8Array<ArrayBuffer> {
  const places = files.flatMap(({ path, tensors }) => tensors.map(({ name }) => [name, path] as const));
  places.sort(([a], [b]) => (a < b ? -1 : 1));
  const index = { metadata: { total_size: totalBytes }, weight_map: Object.fromEntries(places) };
  return new TextEncoder().encode(`${JSON.stringify(index, null, 2)}\n`);
}
