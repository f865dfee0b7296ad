/** Output bytes on their way from a thread that merges: neighbouring parts travel in one buffer, and buffers come back to be filled again. */
import type { Deliver } from "../threads/streaming.ts";
import { OUT_BYTES } from "./units.ts";

/** Under way at once: one is filled while the others are written. */
const BUFFERS = 2;

export class OutputRun {
  readonly #file: number;
  readonly #deliver: Deliver;
  readonly #bytes: number;
  readonly #free: ArrayBuffer[];
  readonly #sent: Promise<void>[] = [];
  #buffer: Uint8Array<ArrayBuffer> | null = null;
  /** Of the buffer's first byte in the file, and bytes in it. */
  #at = 0;
  #filled = 0;

  constructor(file: number, deliver: Deliver, { bytes = OUT_BYTES, free = [] }: { bytes?: number; free?: ArrayBuffer[] } = {}) {
    this.#file = file;
    this.#deliver = deliver;
    this.#bytes = bytes;
    this.#free = free;
  }

  /** `bytes` are the caller's again at once after it resolves. */
  async write(at: number, bytes: Uint8Array): Promise<void> {
    if (at !== this.#at + this.#filled) await this.#send();
    for (let done = 0; done < bytes.length; ) {
      if (this.#buffer === null) {
        this.#buffer = new Uint8Array(await this.#next());
        [this.#at, this.#filled] = [at + done, 0];
      }
      const part = bytes.subarray(done, done + this.#buffer.length - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      done += part.length;
      if (this.#filled === this.#buffer.length) await this.#send();
    }
  }

  /** All of it is written. */
  async finish(): Promise<void> {
    await this.#send();
    await Promise.all(this.#sent.splice(0));
  }

  async #next(): Promise<ArrayBuffer> {
    if (this.#sent.length >= BUFFERS) await this.#sent.shift();
    return this.#free.pop() ?? new ArrayBuffer(this.#bytes);
  }

  async #send(): Promise<void> {
    const [buffer, filled] = [this.#buffer, this.#filled];
    if (buffer === null || filled === 0) return;
    this.#buffer = null;
    this.#at += filled;
    this.#filled = 0;
    const sent = this.#deliver(this.#file, this.#at - filled, buffer.subarray(0, filled)).then((back) => void this.#free.push(back));
    sent.catch(() => undefined); // heard where it is waited for
    this.#sent.push(sent);
  }
}
