/**
 * Bytes → message. Byte fields are views, never copies. Depth, counts and lengths are checked before anything is
 * believed: input may be hostile.
 */
import { LabError } from "../../lib/error.ts";
import type { Field, Message, Schema } from "./wire.ts";

/** Protobuf's own default is 100; a body of a body of an If needs about 20. */
const DEPTH_MAX = 64;
/** A model of 10,000 nodes has about a million, messages weighed. */
const VALUES_MAX = 8_000_000;
/** A message and its lists, in values. */
const MESSAGE_WEIGHS = 16;

const text = new TextDecoder("utf-8", { fatal: true });

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
