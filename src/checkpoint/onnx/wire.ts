/**
 * Protobuf's wire format, driven by a table of fields. Nothing is lost: fields the table does not know are kept as
 * bytes and written back, so a model of a newer ONNX survives the round trip. Byte fields are views, never copies.
 * Depth, counts and lengths are checked before anything is believed: input may be hostile.
 */
import { LabError } from "../../lib/error.ts";

/** `values`: numbers kept in their packed form until somebody asks (`TensorProto.float_data`). */
export type Scalar = "int" | "float" | "double" | "string" | "bytes" | "values";
export type Field = readonly [name: string, kind: Scalar | Schema, repeated?: "many"];

/** A message's fields, arranged for reading (by number) and for writing (in order). */
interface Layout {
  readonly byNumber: readonly (Field | undefined)[];
  readonly inOrder: readonly (readonly [number: number, ...field: Field])[];
  readonly lists: readonly string[];
}

export interface Schema {
  readonly name: string;
  readonly layout: () => Layout;
}

/** `fields` is a function because messages contain each other. */
export function schema(name: string, fields: () => Readonly<Record<number, Field>>): Schema {
  let made: Layout | null = null;
  const make = (): Layout => {
    const inOrder = Object.entries(fields()).map(([number, field]) => [Number(number), ...field] as const);
    const byNumber: (Field | undefined)[] = [];
    for (const [number, ...field] of inOrder) byNumber[number] = field;
    return { inOrder, byNumber, lists: inOrder.flatMap(([, name, , repeated]) => (repeated ? [name] : [])) };
  };
  return { name, layout: () => (made ??= make()) };
}

/** Every message carries what its schema did not know: tag and payload, as they lay in the file. */
export interface Message {
  unknown: Uint8Array[];
}

/** Protobuf's own default is 100; a body of a body of an If needs about 20. */
const DEPTH_MAX = 64;
/** A model of 10,000 nodes has about a million, messages weighed. */
const VALUES_MAX = 8_000_000;
/** A message and its lists, in values. */
const MESSAGE_WEIGHS = 16;

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
    this.count(MESSAGE_WEIGHS);
    const { byNumber, lists } = schema.layout();
    const out: Record<string, unknown> = { unknown: [] };
    for (const name of lists) out[name] = [];
    this.at = start;
    while (this.at < end) {
      const tagAt = this.at;
      const tag = this.small(end);
      const wire = tag % 8;
      const number = Math.floor(tag / 8);
      const field = byNumber[number];
      if (number === 0) throw this.bad(`field number 0 at byte ${tagAt}`);
      this.count(1);
      const known = field && this.field(out, field, wire, end, depth);
      if (!known) {
        this.at = this.skip(wire, this.at, end);
        (out["unknown"] as Uint8Array[]).push(this.bytes.subarray(tagAt, this.at));
      }
    }
    return out;
  }

  /** What is built takes memory many times its bytes: a file of empty messages ends here. */
  private count(values: number): void {
    this.values += values;
    if (this.values > VALUES_MAX) throw this.bad(`it has more than ${VALUES_MAX} values`);
  }

  /** Reads one field into `out`; false (and nothing read) where its wire type is not the one the schema expects. */
  private field(out: Record<string, unknown>, field: Field, wire: number, end: number, depth: number): boolean {
    const kind = field[1];
    if (kind === "values") {
      const from = this.at;
      this.at = this.skip(wire, from, end);
      // Packed: the payload; one at a time: the value itself. Joined, both give the same bytes.
      put(out, field, wire === 2 ? this.bytes.subarray(this.at - this.lengthAt(from, end), this.at) : this.bytes.subarray(from, this.at));
      return true;
    }
    const wants = kind === "int" ? 0 : kind === "float" ? 5 : kind === "double" ? 1 : 2;
    if (wire === wants) {
      put(out, field, this.value(kind, end, depth));
      return true;
    }
    if (wire !== 2 || wants === 2) return false;
    const stop = this.span(end);
    while (this.at < stop) {
      this.count(1);
      put(out, field, this.value(kind, stop, depth));
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

  /** Tags and lengths: seven bytes (49 bits) are a number exactly; nothing longer is in a file that can exist. */
  private small(end: number): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      if (this.at >= end) throw this.bad(`it ends inside a number at byte ${this.at}`);
      const byte = this.bytes[this.at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    throw this.bad(`an impossible length at byte ${this.at}`);
  }

  /** Any 64 bits. */
  private varint(end: number): bigint {
    const from = this.at;
    let at = from;
    while (at < end && (this.bytes[at] as number) >= 128) at++;
    if (at >= end) throw this.bad(`it ends inside a number at byte ${at}`);
    if (at - from < 7) return BigInt(this.small(end));
    if (at - from > 9) throw this.bad(`a number of more than ten bytes at byte ${from}`);
    let value = 0n;
    for (this.at = at + 1; at >= from; at--) value = (value << 7n) | BigInt((this.bytes[at] as number) & 127);
    return BigInt.asUintN(64, value);
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
    const length = this.small(end);
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

function put(out: Record<string, unknown>, [name, , repeated]: Field, value: unknown): void {
  if (repeated) (out[name] as unknown[]).push(value);
  else out[name] = value;
}

/** Serialises in two passes: sizes first, so that bytes are written once into one buffer. */
export function encodeMessage(schema: Schema, message: Message): Uint8Array {
  const plan: Plan = { sizes: [], texts: new Map() };
  const out = new Uint8Array(measure(schema, message, plan));
  new Writer(out, plan).message(schema, message);
  return out;
}

interface Plan {
  /** Length of every length-delimited value, in the order the writer meets them. */
  readonly sizes: number[];
  /** Names come again and again. */
  readonly texts: Map<string, Uint8Array>;
}

function utf8({ texts }: Plan, text: string): Uint8Array {
  let bytes = texts.get(text);
  if (!bytes) texts.set(text, (bytes = toUtf8.encode(text)));
  return bytes;
}

type Loose = Record<string, unknown>;

function each(schema: Schema, message: Message, visit: (number: number, kind: Field[1], value: unknown) => void): void {
  for (const [number, name, kind, repeated] of schema.layout().inOrder) {
    const value = (message as unknown as Loose)[name];
    if (value === undefined) continue;
    if (!repeated) visit(number, kind, value);
    else if (kind !== "values") for (const one of value as unknown[]) visit(number, kind, one);
    else if ((value as unknown[]).length) visit(number, kind, value);
  }
}

function measure(schema: Schema, message: Message, plan: Plan): number {
  let total = 0;
  each(schema, message, (number, kind, value) => {
    total += number < 16 ? 1 : 2;
    if (kind === "int") total += varintSize(value as bigint);
    else if (kind === "float") total += 4;
    else if (kind === "double") total += 8;
    else {
      const slot = plan.sizes.push(0) - 1;
      const size = typeof kind === "object" ? measure(kind, value as Message, plan) : lengthOf(kind, value, plan);
      plan.sizes[slot] = size;
      total += smallSize(size) + size;
    }
  });
  for (const raw of message.unknown) total += raw.length;
  return total;
}

function lengthOf(kind: Scalar, value: unknown, plan: Plan): number {
  if (kind === "string") return utf8(plan, value as string).length;
  if (kind === "values") return (value as Uint8Array[]).reduce((sum, chunk) => sum + chunk.length, 0);
  return (value as Uint8Array).length;
}

function smallSize(value: number): number {
  let size = 1;
  for (; value > 127; value = Math.floor(value / 128)) size++;
  return size;
}

const varintSize = (value: bigint): number => (value < 0n ? 10 : value < 2n ** 49n ? smallSize(Number(value)) : value < 2n ** 56n ? 8 : 9);

class Writer {
  private at = 0;
  private next = 0;
  private readonly view: DataView;

  constructor(
    private readonly out: Uint8Array,
    private readonly plan: Plan,
  ) {
    this.view = new DataView(out.buffer);
  }

  message(schema: Schema, message: Message): void {
    each(schema, message, (number, kind, value) => {
      const wire = kind === "int" ? 0 : kind === "float" ? 5 : kind === "double" ? 1 : 2;
      this.small(number * 8 + wire);
      if (kind === "int") this.varint(value as bigint);
      else if (kind === "float") this.view.setFloat32(this.move(4), value as number, true);
      else if (kind === "double") this.view.setFloat64(this.move(8), value as number, true);
      else {
        this.small(this.plan.sizes[this.next++] as number);
        if (typeof kind === "object") this.message(kind, value as Message);
        else if (kind === "string") this.bytes(utf8(this.plan, value as string));
        else if (kind === "values") for (const chunk of value as Uint8Array[]) this.bytes(chunk);
        else this.bytes(value as Uint8Array);
      }
    });
    for (const raw of message.unknown) this.bytes(raw);
  }

  private small(value: number): void {
    for (; value > 127; value = Math.floor(value / 128)) this.out[this.at++] = (value & 127) | 128;
    this.out[this.at++] = value;
  }

  private varint(signed: bigint): void {
    if (signed >= 0n && signed < 2n ** 31n) return this.small(Number(signed));
    let value = BigInt.asUintN(64, signed);
    for (; value > 127n; value >>= 7n) this.out[this.at++] = Number(value & 127n) | 128;
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
