/**
 * Protobuf's wire format, driven by a table of fields. Nothing is lost: fields the table does not know are kept as
 * bytes and written back, so a model of a newer ONNX survives the round trip. Byte fields are views, never copies.
 * Depth, counts and lengths are checked before anything is believed: input may be hostile.
 */
import { LabError } from "../../lib/error.ts";

/** `values`: numbers kept in their packed form until somebody asks (`TensorProto.float_data`). */
export type Scalar = "int" | "float" | "double" | "string" | "bytes" | "values";
export type Field = readonly [name: string, kind: Scalar | Schema, repeated?: "many"];

export interface Schema {
  readonly name: string;
  /** By field number. A function, because messages contain each other. */
  readonly fields: () => Readonly<Record<number, Field>>;
}

/** Every message carries what its schema did not know: tag and payload, as they lay in the file. */
export interface Message {
  unknown: Uint8Array[];
}

/** Protobuf's own default is 100; a body of a body of an If needs about 20. */
const DEPTH_MAX = 64;
/** A model of 10,000 nodes has about 200,000. */
const VALUES_MAX = 4_000_000;

const text = new TextDecoder("utf-8", { fatal: true });
const toUtf8 = new TextEncoder();

export function decodeMessage<T extends Message>(schema: Schema, bytes: Uint8Array, file: string): T {
  return new Reader(bytes, file).message(schema, 0, bytes.length, 0) as unknown as T;
}

class Reader {
  private at = 0;
  private values = 0;
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly file: string,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  message(schema: Schema, start: number, end: number, depth: number): Record<string, unknown> {
    if (depth > DEPTH_MAX) throw this.bad(`messages are nested more than ${DEPTH_MAX} deep`);
    const fields = schema.fields();
    const out: Record<string, unknown> = { unknown: [] };
    for (const key in fields) {
      const [name, , repeated] = fields[key] as Field;
      if (repeated) out[name] = [];
    }
    this.at = start;
    while (this.at < end) {
      const tagAt = this.at;
      const tag = Number(this.varint(end));
      const wire = tag % 8;
      const number = Math.floor(tag / 8);
      const field = fields[number];
      if (number === 0) throw this.bad(`field number 0 at byte ${tagAt}`);
      if (++this.values > VALUES_MAX) throw this.bad(`it has more than ${VALUES_MAX} values`);
      const known = field && this.field(out, field, wire, end, depth);
      if (!known) {
        this.at = this.skip(wire, this.at, end);
        (out["unknown"] as Uint8Array[]).push(this.bytes.subarray(tagAt, this.at));
      }
    }
    return out;
  }

  /** Reads one field into `out`; false (and nothing read) where its wire type is not the one the schema expects. */
  private field(out: Record<string, unknown>, [name, kind, repeated]: Field, wire: number, end: number, depth: number): boolean {
    const put = (value: unknown) => {
      if (repeated) (out[name] as unknown[]).push(value);
      else out[name] = value;
    };
    if (kind === "values") {
      const from = this.at;
      this.at = this.skip(wire, from, end);
      // Packed: the payload; one at a time: the value itself. Joined, both give the same bytes.
      put(wire === 2 ? this.bytes.subarray(this.at - this.lengthAt(from, end), this.at) : this.bytes.subarray(from, this.at));
      return true;
    }
    const wants = kind === "int" ? 0 : kind === "float" ? 5 : kind === "double" ? 1 : 2;
    if (wire === wants) {
      put(this.value(kind, end, depth));
      return true;
    }
    if (wire !== 2 || wants === 2) return false;
    const stop = this.span(end);
    while (this.at < stop) {
      if (++this.values > VALUES_MAX) throw this.bad(`it has more than ${VALUES_MAX} values`);
      put(this.value(kind, stop, depth));
    }
    return true;
  }

  private value(kind: Exclude<Field[1], "values">, end: number, depth: number): unknown {
    const at = this.at;
    if (kind === "int") return BigInt.asIntN(64, this.varint(end));
    if (kind === "float") return this.view.getFloat32(this.fixed(4, end), true);
    if (kind === "double") return this.view.getFloat64(this.fixed(8, end), true);
    const stop = this.span(end);
    const from = this.at;
    this.at = stop;
    if (kind === "bytes") return this.bytes.subarray(from, stop);
    if (kind !== "string") {
      const inner = this.message(kind, from, stop, depth + 1);
      this.at = stop;
      return inner;
    }
    try {
      return text.decode(this.bytes.subarray(from, stop));
    } catch (cause) {
      throw this.bad(`the text at byte ${at} is not UTF-8`, cause);
    }
  }

  private varint(end: number): bigint {
    let low = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      if (this.at >= end) throw this.bad(`it ends inside a number at byte ${this.at}`);
      const byte = this.bytes[this.at++] as number;
      if (i < 7) {
        low += (byte & 127) * scale;
        scale *= 128;
        if (byte < 128) return BigInt(low);
      } else {
        return this.longVarint(BigInt(low), byte, i, end);
      }
    }
    throw this.bad("a number is too long");
  }

  /** Bytes 8 to 10 of a varint: past what a double holds exactly. */
  private longVarint(value: bigint, byte: number, i: number, end: number): bigint {
    for (;;) {
      value |= BigInt(byte & 127) << BigInt(7 * i);
      if (byte < 128) return BigInt.asUintN(64, value);
      if (++i > 9) throw this.bad(`a number of more than ten bytes at byte ${this.at}`);
      if (this.at >= end) throw this.bad(`it ends inside a number at byte ${this.at}`);
      byte = this.bytes[this.at++] as number;
    }
  }

  private fixed(size: number, end: number): number {
    const at = this.at;
    if (at + size > end) throw this.bad(`it ends inside a number at byte ${at}`);
    this.at += size;
    return at;
  }

  /** Reads a length; where that span ends. */
  private span(end: number): number {
    const at = this.at;
    const length = Number(this.varint(end));
    if (length > end - this.at) throw this.bad(`the field at byte ${at} says it has ${length} bytes, but ${end - this.at} are left`);
    return this.at + length;
  }

  private lengthAt(at: number, end: number): number {
    const back = this.at;
    this.at = at;
    const length = this.span(end) - this.at;
    this.at = back;
    return length;
  }

  private skip(wire: number, at: number, end: number): number {
    this.at = at;
    if (wire === 0) this.varint(end);
    else if (wire === 1) this.fixed(8, end);
    else if (wire === 5) this.fixed(4, end);
    else if (wire === 2) this.at = this.span(end);
    else throw this.bad(`unknown wire type ${wire} at byte ${at}`);
    return this.at;
  }

  private bad(why: string, cause?: unknown): LabError {
    return new LabError("bad-onnx", `${this.file} is not a readable ONNX file: ${why}. It may be cut short or damaged; download it again.`, { cause });
  }
}

/** Serialises in two passes: sizes first, so that bytes are written once into one buffer. */
export function encodeMessage(schema: Schema, message: Message): Uint8Array {
  const sizes: number[] = [];
  const out = new Uint8Array(measure(schema, message, sizes));
  new Writer(out, sizes).message(schema, message);
  return out;
}

type Loose = Record<string, unknown>;

function each(schema: Schema, message: Message, visit: (number: number, kind: Field[1], value: unknown) => void): void {
  const fields = schema.fields();
  for (const key in fields) {
    const [name, kind, repeated] = fields[key] as Field;
    const value = (message as unknown as Loose)[name];
    if (value === undefined) continue;
    if (!repeated) visit(Number(key), kind, value);
    else if (kind === "values") {
      if ((value as unknown[]).length) visit(Number(key), kind, value);
    } else for (const one of value as unknown[]) visit(Number(key), kind, one);
  }
}

/** `sizes` gets the length of every length-delimited value, in the order the writer meets them. */
function measure(schema: Schema, message: Message, sizes: number[]): number {
  let total = 0;
  each(schema, message, (number, kind, value) => {
    total += varintSize(BigInt(number * 8));
    if (kind === "int") total += varintSize(BigInt.asUintN(64, value as bigint));
    else if (kind === "float") total += 4;
    else if (kind === "double") total += 8;
    else {
      const slot = sizes.push(0) - 1;
      const size = typeof kind === "object" ? measure(kind, value as Message, sizes) : lengthOf(kind, value);
      sizes[slot] = size;
      total += varintSize(BigInt(size)) + size;
    }
  });
  for (const raw of message.unknown) total += raw.length;
  return total;
}

function lengthOf(kind: Scalar, value: unknown): number {
  if (kind === "string") return toUtf8.encode(value as string).length;
  if (kind === "values") return (value as Uint8Array[]).reduce((sum, chunk) => sum + chunk.length, 0);
  return (value as Uint8Array).length;
}

function varintSize(value: bigint): number {
  let size = 1;
  while (value > 127n) {
    value >>= 7n;
    size++;
  }
  return size;
}

class Writer {
  private at = 0;
  private next = 0;
  private readonly view: DataView;

  constructor(
    private readonly out: Uint8Array,
    private readonly sizes: readonly number[],
  ) {
    this.view = new DataView(out.buffer);
  }

  message(schema: Schema, message: Message): void {
    each(schema, message, (number, kind, value) => {
      const wire = kind === "int" ? 0 : kind === "float" ? 5 : kind === "double" ? 1 : 2;
      this.varint(BigInt(number * 8 + wire));
      if (kind === "int") this.varint(BigInt.asUintN(64, value as bigint));
      else if (kind === "float") this.view.setFloat32(this.move(4), value as number, true);
      else if (kind === "double") this.view.setFloat64(this.move(8), value as number, true);
      else {
        this.varint(BigInt(this.sizes[this.next++] as number));
        if (typeof kind === "object") this.message(kind, value as Message);
        else if (kind === "string") this.bytes(toUtf8.encode(value as string));
        else if (kind === "values") for (const chunk of value as Uint8Array[]) this.bytes(chunk);
        else this.bytes(value as Uint8Array);
      }
    });
    for (const raw of message.unknown) this.bytes(raw);
  }

  private varint(value: bigint): void {
    while (value > 127n) {
      this.out[this.at++] = Number(value & 127n) | 128;
      value >>= 7n;
    }
    this.out[this.at++] = Number(value);
  }

  private bytes(bytes: Uint8Array): void {
    this.out.set(bytes, this.at);
    this.at += bytes.length;
  }

  private move(size: number): number {
    const at = this.at;
    this.at += size;
    return at;
  }
}
