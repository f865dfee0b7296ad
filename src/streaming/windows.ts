/**
 * Bytes of one span of a file, read in windows: the next comes while this one is worked on. Kept for all passes, or only the two
 * last ones, and then read again for each pass.
 */
import type { ByteSource } from "../checkpoint/safetensors/source.ts";
import { WINDOW_BYTES } from "./units.ts";

export interface Span {
  /** In the file. */
  readonly begin: number;
  readonly end: number;
  readonly keep: boolean;
}

export interface WindowsOptions {
  /** Hears of every window that came, also of one that came before. */
  readonly onRead?: (bytes: number) => void;
  readonly windowBytes?: number;
  /** The source gives arrays that nobody else has, and reads follow one another: what is dropped is freed at once, without waiting for a collector. */
  readonly owned?: boolean;
}

export class Windows {
  readonly #source: ByteSource;
  readonly #span: Span;
  readonly #onRead: (bytes: number) => void;
  readonly #owned: boolean;
  readonly #windowBytes: number;
  readonly #windows = new Map<number, Promise<Uint8Array<ArrayBuffer>>>();
  readonly #last: number;

  constructor(source: ByteSource, span: Span, { onRead = () => undefined, windowBytes = WINDOW_BYTES, owned = false }: WindowsOptions = {}) {
    this.#source = source;
    this.#span = span;
    this.#onRead = onRead;
    this.#owned = owned;
    this.#windowBytes = windowBytes;
    this.#last = Math.max(0, Math.ceil((span.end - span.begin) / windowBytes) - 1);
  }

  /** Bytes begin…end−1 of the file; valid until the next call. */
  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    if (end <= begin) return new Uint8Array(0);
    const [first, last] = [this.#at(begin), this.#at(end - 1)];
    if (!this.#span.keep) this.#drop((index) => index < first || index > last + 1);
    const parts = [];
    for (let index = first; index <= last; index++) parts.push(this.#window(index));
    if (last < this.#last) this.#window(last + 1).catch(() => undefined); // told when it is asked for
    const [only, ...more] = await Promise.all(parts);
    const offset = begin - this.#span.begin - first * this.#windowBytes;
    if (only !== undefined && more.length === 0) return only.subarray(offset, offset + end - begin);
    const whole = new Uint8Array(end - begin);
    let at = 0;
    for (const [i, part] of [only as Uint8Array<ArrayBuffer>, ...more].entries()) {
      const taken = part.subarray(i === 0 ? offset : 0, Math.min(part.length, (i === 0 ? offset : 0) + whole.length - at));
      whole.set(taken, at);
      at += taken.length;
    }
    return whole;
  }

  /** What lies wholly before this place of the file is not asked for again. */
  release(before: number): void {
    const first = this.#at(Math.min(before, this.#span.end));
    this.#drop((index) => index < first);
  }

  close(): void {
    this.#drop(() => true);
  }

  #at(byte: number): number {
    return Math.floor((byte - this.#span.begin) / this.#windowBytes);
  }

  #drop(which: (index: number) => boolean): void {
    for (const [index, window] of this.#windows) {
      if (!which(index)) continue;
      this.#windows.delete(index);
      if (this.#owned) window.then(free, () => undefined);
    }
  }

  #window(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const known = this.#windows.get(index);
    if (known) return known;
    const begin = this.#span.begin + index * this.#windowBytes;
    const end = Math.min(this.#span.end, begin + this.#windowBytes);
    const window = this.#source.read(begin, end).then((bytes) => {
      this.#onRead(bytes.length);
      return bytes;
    });
    this.#windows.set(index, window);
    return window;
  }
}

function free(bytes: Uint8Array<ArrayBuffer>): void {
  const buffer = bytes.buffer as ArrayBuffer & { transfer?: (length: number) => ArrayBuffer };
  if (bytes.byteLength === buffer.byteLength) buffer.transfer?.(0);
}
