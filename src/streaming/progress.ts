/** How far a merge is, in bytes, and how long it will take. */
import type { LabEvent } from "../threads/events.ts";

/** Told at most so often. */
const EVERY_MS = 200;
/** Before that, and before this share, nobody can tell. */
const FIRST_MS = 1000;
const FIRST_SHARE = 0.02;

interface Underway {
  readonly tensor: string;
  readonly readBytes: number;
  read: number;
}

export interface Totals {
  readonly readBytes: number;
  readonly writeBytes: number;
}

export class Progress {
  readonly #totals: Totals;
  readonly #tell: (event: LabEvent) => void;
  readonly #now: () => number;
  readonly #began: number;
  readonly #threads = new Map<number, Underway>();
  #told = -Infinity;
  /** Input bytes of units that are done, each once. */
  #done = 0;
  /** All that was read, again and again where a method goes over a tensor several times. */
  readBytes = 0;
  writtenBytes = 0;

  constructor(totals: Totals, tell: (event: LabEvent) => void, now: () => number = () => performance.now()) {
    this.#totals = totals;
    this.#tell = tell;
    this.#now = now;
    this.#began = now();
  }

  begin(thread: number, tensor: string, readBytes: number): void {
    this.#threads.set(thread, { tensor, readBytes, read: 0 });
  }

  read(thread: number, bytes: number): void {
    this.readBytes += bytes;
    const underway = this.#threads.get(thread);
    if (underway) underway.read += bytes;
    this.#say(thread);
  }

  written(thread: number, bytes: number): void {
    this.writtenBytes += bytes;
    this.#say(thread);
  }

  end(thread: number): void {
    this.#done += this.#threads.get(thread)?.readBytes ?? 0;
    this.#threads.delete(thread);
  }

  /** All of it, said whenever. */
  finish(): void {
    this.#tell({ type: "merging", tensor: null, ...this.#counts(1), secondsLeft: 0 });
  }

  #say(thread: number): void {
    const now = this.#now();
    if (now - this.#told < EVERY_MS) return;
    this.#told = now;
    const { readBytes, writeBytes } = this.#totals;
    const underway = [...this.#threads.values()].reduce((sum, { read, readBytes: all }) => sum + Math.min(read, all), 0);
    const share = Math.min(1, (this.#done + underway + this.writtenBytes) / Math.max(1, readBytes + writeBytes));
    const elapsed = now - this.#began;
    const known = elapsed >= FIRST_MS && share >= FIRST_SHARE;
    this.#tell({ type: "merging", tensor: this.#threads.get(thread)?.tensor ?? null, ...this.#counts(share), secondsLeft: known ? (elapsed / 1000) * (1 / share - 1) : null });
  }

  #counts(share: number) {
    return { share, readBytes: this.readBytes, writtenBytes: this.writtenBytes, totalReadBytes: this.#totals.readBytes, totalWriteBytes: this.#totals.writeBytes };
  }
}
