/**
 * The header of one safetensors file: 8 bytes of length, JSON, then the data. It comes from strangers: every number in it is
 * checked against the file's size and against the others before anything is read by it.
 * Format: https://huggingface.co/docs/safetensors
 */
import { LabError } from "../../lib/error.ts";
import { otherKind } from "../beginnings.ts";
import { bytesOf, type Dtype, elementsOf, isDtype, shapeText } from "./dtype.ts";
import { JsonWalk } from "./json.ts";
import type { SourceFile } from "./source.ts";

/** The whole of what a checkpoint knows of a tensor: JSON, may be posted. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
  /** Path of the file it lies in. */
  readonly file: string;
  /** Of its first byte, from the file's start. */
  readonly offset: number;
}

export interface Header {
  /** In the order they lie in the file. */
  readonly tensors: readonly StoredTensor[];
  /** `__metadata__`: texts by name; "format" is "pt" in most. */
  readonly metadata: ReadonlyMap<string, string>;
}

export const HEADER_BYTES_MAX = 25_000_000;
export const METADATA = "__metadata__";
const LENGTH_BYTES = 8;
/** The first read: holds the headers of most models. */
const FIRST_BYTES = 1 << 17;
const RANK_MAX = 64;

/** `firstBytes`: of the first read, fewer where many headers come over a network. */
export async function readHeader({ path, source }: SourceFile, signal?: AbortSignal, firstBytes = FIRST_BYTES): Promise<Header> {
  if (source.size === 0) throw damaged(path, "is empty");
  const first = await source.read(0, Math.min(source.size, firstBytes), signal);
  const other = otherKind(first, "safetensors", "model.safetensors");
  if (other) throw new LabError("bad-safetensors", `${path} is ${other}.`, { details: { file: path } });
  if (source.size < LENGTH_BYTES) throw damaged(path, `has only ${source.size} bytes, too few for any safetensors file`);
  const view = new DataView(first.buffer, first.byteOffset, first.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > HEADER_BYTES_MAX) {
    throw damaged(path, `says that its header has ${length} bytes, more than the ${HEADER_BYTES_MAX / 1e6} MB that are read`);
  }
  const dataStart = LENGTH_BYTES + length;
  if (dataStart > source.size) throw damaged(path, `has ${source.size} bytes, fewer than the header of ${length} bytes that it begins with: it is cut short`);
  const bytes = dataStart <= first.length ? first.subarray(LENGTH_BYTES, dataStart) : await source.read(LENGTH_BYTES, dataStart, signal);
  return parseHeader(bytes, { file: path, dataStart, fileBytes: source.size });
}

interface Place {
  readonly file: string;
  readonly dataStart: number;
  readonly fileBytes: number;
}

/** `bytes`: the JSON alone. */
export function parseHeader(bytes: Uint8Array, { file, dataStart, fileBytes }: Place): Header {
  const { entries, metadata } = walk(textOf(bytes, file), file);
  const tensors = entries.map((entry) => checked(entry, file, dataStart));
  tensors.sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let [end, before] = [dataStart, ""];
  for (const { name, offset, bytes } of tensors) {
    if (offset !== end) {
      const what = offset < end ? "overlaps" : `leaves a gap of ${offset - end} bytes after`;
      throw damaged(file, `is wrong about ${quoted(name)}: it ${what} ${before ? quoted(before) : "the header"}`, { tensor: name });
    }
    [end, before] = [offset + bytes, name];
    if (end > fileBytes) {
      throw damaged(file, `has ${fileBytes} bytes, but ${quoted(name)} reaches to byte ${end}: the file is cut short`, { tensor: name });
    }
  }
  if (end !== fileBytes) throw damaged(file, `has ${fileBytes - end} bytes after its last tensor that belong to none`);
  return { tensors, metadata };
}

interface Entry {
  name: string;
  dtype: string | null;
  shape: number[] | null;
  offsets: number[] | null;
}

function walk(text: string, file: string): { entries: Entry[]; metadata: Map<string, string> } {
  const json = new JsonWalk(text, (what) => damaged(file, `has a header that cannot be read: ${what}`));
  const entries: Entry[] = [];
  const metadata = new Map<string, string>();
  json.object((name) => {
    if (name === METADATA) return json.object((key) => void metadata.set(key, json.string()));
    const entry: Entry = { name, dtype: null, shape: null, offsets: null };
    json.object((field) => {
      if (field === "dtype") entry.dtype = json.string();
      else if (field === "shape") entry.shape = counts(json, RANK_MAX, () => damaged(file, `gives ${quoted(name)} more than ${RANK_MAX} dimensions`, { tensor: name }));
      else if (field === "data_offsets") entry.offsets = counts(json, 2, () => damaged(file, `gives ${quoted(name)} more than two data_offsets`, { tensor: name }));
      else json.skip();
    });
    entries.push(entry);
  });
  json.end();
  return { entries, metadata };
}

function counts(json: JsonWalk, most: number, tooMany: () => LabError): number[] {
  const list: number[] = [];
  json.array(() => {
    if (list.length === most) throw tooMany();
    list.push(json.count());
  });
  return list;
}

function checked({ name, dtype, shape, offsets }: Entry, file: string, dataStart: number): StoredTensor {
  const wrong = (what: string) => damaged(file, `is wrong about ${quoted(name)}: ${what}`, { tensor: name });
  if (dtype === null) throw wrong("it has no dtype");
  if (shape === null) throw wrong("it has no shape");
  const [begin, end] = offsets ?? [];
  if (begin === undefined || end === undefined) throw wrong("it has no two data_offsets");
  if (!isDtype(dtype)) {
    throw new LabError("unsupported-safetensors", `${file} stores ${quoted(name)} as ${JSON.stringify(dtype.slice(0, 40))}, a type that is not known here.`, { details: { file, tensor: name, dtype } });
  }
  const elements = elementsOf(shape);
  const bytes = elements === null ? null : bytesOf(dtype, elements);
  if (elements === null || bytes === null) throw wrong(`${dtype} of shape ${shapeText(shape)} fills no countable number of bytes`);
  if (end < begin) throw wrong(`it ends (${end}) before it begins (${begin})`);
  if (end - begin !== bytes) throw wrong(`${dtype} of shape ${shapeText(shape)} needs ${bytes} bytes, but its place has ${end - begin}`);
  return { name, dtype, shape, elements, bytes, file, offset: dataStart + begin };
}

function textOf(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw damaged(file, "has a header that is no UTF-8 text", {}, cause);
  }
}

/** A name as messages show it. */
export const quoted = (name: string): string => (name.length > 120 ? `"${name.slice(0, 120)}…"` : `"${name}"`);

export function damaged(file: string, what: string, details: Record<string, unknown> = {}, cause?: unknown): LabError {
  return new LabError("bad-safetensors", `${file} ${what}. Download it again, or ask whoever made it.`, { details: { file, ...details }, ...(cause === undefined ? {} : { cause }) });
}
