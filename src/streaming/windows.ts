/**
 * Bytes of one span of a file, read in windows: the next comes while this one is worked on. Kept for all passes, or only the two
 * last ones, and then read again for each pass.
 */
import { Buffers, type Reader } from "./places.ts";
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
  /** Shared with other spans; a window has the length of one. */
  readonly buffers?: Buffers;
  /** Reads follow one another, so that the buffer of a window that was dropped can be filled again. */
  readonly inTurn?: boolean;
}

export class Windows {
  readonly #source: Reader;
  readonly #span: Span;
  readonly #onRead: (bytes: number) => void;
  readonly #inTurn: boolean;
  readonly #buffers: Buffers;
  readonly #windowBytes: number;
  readonly #windows = new Map<number, Promise<Uint8Array<ArrayBuffer>>>();
  readonly #last: number;

  constructor(source: Reader, span: Span, { onRead = () => undefined, buffers = new Buffers(WINDOW_BYTES), inTurn = true }: WindowsOptions = {}) {
    this.#source = source;
    this.#span = span;
    this.#onRead = onRead;
    this.#inTurn = inTurn;
    this.#buffers = buffers;
    this.#windowBytes = buffers.bytes;
    this.#last = Math.max(0, Math.ceil((span.end - span.begin) / buffers.bytes) - 1);
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
      if (this.#inTurn) window.then((bytes) => this.#buffers.give(bytes.buffer), () => undefined);
    }
  }

  #window(index: number): Promise<Uint8Array<ArrayBuffer>> {
    const known = this.#windows.get(index);
    if (known) return known;
    const begin = this.#span.begin + index * this.#windowBytes;
    const end = Math.min(this.#span.end, begin + this.#windowBytes);
    const window = this.#source.readInto(begin, end, this.#buffers.take()).then((bytes) => {
      this.#onRead(bytes.length);
      return bytes;
    });
    this.#windows.set(index, window);
    return window;
  }
}
