/**
 * An ONNX file without what its tensors hold: nodes, names, shapes, types, read by ranges past the weights. Enough to say what would fit,
 * for kilobytes of a file of any size.
 */
import { LabError } from "../../lib/error.ts";
import type { ByteSource } from "../safetensors/source.ts";

/** Messages on the way to a tensor, by field number; what a tensor holds. Numbers are onnx.proto's. */
type Message = "model" | "graph" | "node" | "attribute" | "tensor";
const inside: Readonly<Record<Message, Readonly<Record<number, Message>>>> = {
  model: { 7: "graph" },
  graph: { 1: "node", 5: "tensor" },
  node: { 5: "attribute" },
  attribute: { 5: "tensor", 6: "graph", 10: "tensor", 11: "graph" },
  tensor: {},
};
/** float_data, int32_data, string_data, int64_data, raw_data, double_data, uint64_data. */
const held: ReadonlySet<number> = new Set([4, 5, 6, 7, 9, 10, 11]);

/** Shorter messages are taken as they are. */
const SMALL = 2048;
const FIRST_READ = 262_144;
const NEXT_READ = 6144;
const DEPTH_MAX = 32;
/** A graph has some hundred kilobytes; of more nobody could say in seconds what it is. */
const KEPT_MAX = 16 << 20;

export interface OutlineOptions {
  /** For messages. */
  readonly name: string;
  /** Ranges to be read at most; null is the answer where that is not enough. */
  readonly reads?: number;
}

/** The bytes of a smaller ONNX file. null: too much had to be read for it. */
export async function outlineOf(source: ByteSource, { name, reads = 400 }: OutlineOptions): Promise<Uint8Array<ArrayBuffer> | null> {
  const window = new Window(source, name, reads);
  try {
    return joined(await hollow(window, "model", 0, source.size, 0));
  } catch (error) {
    if (error === tooMuch) return null;
    throw error;
  }
}

const tooMuch = Symbol("more than a look may read");

type Bytes = Uint8Array<ArrayBuffer>;

/** Fields of a message, the heavy ones emptied. */
async function hollow(window: Window, message: Message, begin: number, end: number, depth: number): Promise<Bytes[]> {
  if (depth > DEPTH_MAX) throw window.bad(`messages are nested more than ${DEPTH_MAX} deep`);
  const out: Bytes[] = [];
  for (let at = begin; at < end; ) {
    const { tag, after } = await window.tag(at, end);
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    const field = await window.span(wire, after, end);
    const inner = inside[message][number];
    const heavy = field.end - at > SMALL;
    if (message === "tensor" && held.has(number)) {
      // What it holds is not looked at.
    } else if (heavy && inner && wire === 2) {
      const parts = await hollow(window, inner, field.begin, field.end, depth + 1);
      const length = parts.reduce((sum, part) => sum + part.length, 0);
      out.push(varint(tag), varint(length), ...parts);
    } else out.push(await window.kept(at, field.end));
    at = field.end;
  }
  return out;
}

/** Bytes at hand: as much as one range gave. */
class Window {
  #begin = 0;
  #bytes: Bytes = new Uint8Array(0);
  #reads = 0;
  #kept = 0;

  constructor(private readonly source: ByteSource, private readonly name: string, private readonly readsMax: number) {}

  async kept(begin: number, end: number): Promise<Bytes> {
    this.#kept += end - begin;
    if (this.#kept > KEPT_MAX) throw tooMuch;
    return (await this.#at(begin, end)).slice();
  }

  async tag(at: number, end: number): Promise<{ tag: number; after: number }> {
    const { value, after } = await this.#varint(at, end);
    if (value < 8) throw this.bad(`field number 0 at byte ${at}`);
    return { tag: value, after };
  }

  /** Of a field's payload. */
  async span(wire: number, at: number, end: number): Promise<{ begin: number; end: number }> {
    if (wire === 0) return { begin: at, end: (await this.#varint(at, end)).after };
    const { value, after } = wire === 2 ? await this.#varint(at, end) : { value: { 1: 8, 5: 4 }[wire] ?? NaN, after: at };
    if (!(after + value <= end)) throw this.bad(`a field at byte ${at} reaches beyond its message`);
    return { begin: after, end: after + value };
  }

  bad(why: string): LabError {
    return new LabError("bad-onnx", `${this.name} is not an ONNX file: ${why}. Download it again, or take the file named model.onnx.`);
  }

  async #varint(at: number, end: number): Promise<{ value: number; after: number }> {
    const bytes = await this.#at(at, Math.min(end, at + 10));
    let [value, scale] = [0, 1];
    for (const [i, byte] of bytes.entries()) {
      value += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) return { value, after: at + i + 1 };
    }
    throw this.bad(`a number at byte ${at} has no end`);
  }

  async #at(begin: number, end: number): Promise<Bytes> {
    if (begin < this.#begin || end > this.#begin + this.#bytes.length) {
      if (++this.#reads > this.readsMax) throw tooMuch;
      const length = Math.max(end - begin, this.#reads === 1 ? FIRST_READ : NEXT_READ);
      this.#bytes = await this.source.read(begin, Math.min(this.source.size, begin + length));
      this.#begin = begin;
    }
    return this.#bytes.subarray(begin - this.#begin, end - this.#begin);
  }
}

function varint(value: number): Bytes {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Uint8Array.from([...bytes, value]);
}

function joined(parts: readonly Bytes[]): Bytes {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
