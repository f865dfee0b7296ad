/** Message → bytes, written once into one buffer. */
import type { Field, Message, Scalar, Schema } from "./wire.ts";

const toUtf8 = new TextEncoder();

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
