/** Reading and writing bytes of unknown good will: every read is checked against the end and a limit. */

export class ByteWriter {
  readonly #bytes: number[] = [];

  byte(value: number): void {
    this.#bytes.push(value & 0xff);
  }

  /** LEB128: seven bits a byte, lowest first. Up to 2⁵³. */
  count(value: number): void {
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.byte((rest % 0x80) | 0x80);
    this.byte(rest);
  }

  bytes(values: Uint8Array): void {
    for (const value of values) this.byte(value);
  }

  /** Numbers byte plane by byte plane: signs and exponents lie together, which deflate likes. */
  planes(values: Float32Array | Float64Array): void {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength); // little-endian, as every browser's machine is
    const size = values.BYTES_PER_ELEMENT;
    for (let plane = size - 1; plane >= 0; plane--) for (let i = 0; i < values.length; i++) this.byte(raw[i * size + plane] ?? 0);
  }

  done(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes);
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  byte(): number {
    const value = this.#bytes[this.#at++];
    if (value === undefined) throw new RangeError("is cut short");
    return value;
  }

  /** `most` is checked before anything is allocated by it. */
  count(most: number): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (value > most || scale > 2 ** 49) throw new RangeError(`holds a count above ${most}`);
      if (byte < 0x80) return value;
    }
  }

  bytes(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new RangeError("is cut short");
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  planes<T extends Float32Array | Float64Array>(out: T): T {
    const size = out.BYTES_PER_ELEMENT;
    const planes = this.bytes(out.length * size);
    const raw = new Uint8Array(out.buffer);
    for (let plane = 0; plane < size; plane++) for (let i = 0; i < out.length; i++) raw[i * size + (size - 1 - plane)] = planes[plane * out.length + i] ?? 0;
    return out;
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new RangeError("has bytes after its end");
  }
}
