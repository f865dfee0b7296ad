/**
 * A large file while it downloads. Pieces fill in turn: each goes to its place, then to the digest, then fills again, so reading, storing and
 * hashing overlap and a file is never in memory whole. What was hashed is noted, so that a reload goes on from there. Where the disk is
 * full the rest stays in memory.
 */
import { promisifyRequest as done } from "idb-keyval";
import type { ByteSource } from "../checkpoint/safetensors/source.ts";
import { LabError } from "../lib/error.ts";
import { type Digest, openDigest } from "./digests.ts";
import type { Sink } from "./download.ts";
import { PIECE_BYTES, type Room, type Writing } from "./room.ts";
import { problemOf, type Store } from "./store.ts";

export interface PartialRow {
  readonly name: string;
  readonly bytes: number;
  readonly loaded: number;
  /** State of the digest over `loaded` bytes. */
  readonly hash: Uint8Array;
  readonly where: Room["kind"];
}

interface Identity {
  readonly key: string;
  readonly name: string;
  readonly bytes: number;
}

/** One fills, one is stored, one is hashed. */
const PIECES = 3;
/** Progress is noted at most so often. */
const NOTE_MS = 250;

export class Partial implements Sink {
  readonly copies = true;
  readonly key: string;
  readonly name: string;
  readonly bytes: number;
  /** Why the disk takes no more. */
  problem: "quota" | "unavailable" | null = null;
  #filling: Uint8Array<ArrayBuffer> | null = null;
  #filled = 0;
  #flushed = 0;
  /** Pieces that are free, and how many there are yet. */
  readonly #free: ArrayBuffer[] = [];
  #made = 0;
  /** Pieces that the disk did not take, by place. */
  readonly #memory = new Map<number, Uint8Array<ArrayBuffer>>();
  /** Pieces in turn; rejects never. */
  #stored: Promise<void> = Promise.resolve();
  #hashed: Promise<void> = Promise.resolve();
  #broken: LabError | null = null;
  #newest: Pick<PartialRow, "loaded" | "hash"> | null = null;
  #noting: ReturnType<typeof setTimeout> | null = null;

  private constructor(private readonly store: Store, readonly room: Room, private readonly writing: Writing, private digests: Digest, { key, name, bytes }: Identity) {
    this.key = key;
    this.name = name;
    this.bytes = bytes;
  }

  static async open(store: Store, room: Room, identity: Identity): Promise<Partial> {
    const [writing, digests] = await Promise.all([room.begin(identity.key).catch(nowhere), openDigest()]);
    const partial = new Partial(store, room, writing, digests, identity);
    await partial.#goOn();
    return partial;
  }

  get loaded(): number {
    return this.#flushed + this.#filled;
  }

  async #goOn(): Promise<void> {
    try {
      const row = await this.store("readonly", ({ partials }) => done(partials.get(this.key) as IDBRequest<PartialRow | undefined>));
      if (!row || row.bytes !== this.bytes || row.where !== this.room.kind || row.loaded > this.writing.held) return await this.reset();
      await this.digests.load(row.hash);
      this.#flushed = row.loaded;
    } catch {
      await this.reset(); // unreadable, or of another version of the digest: from the beginning
    }
  }

  async write(part: Uint8Array<ArrayBuffer>): Promise<void> {
    for (let at = 0; at < part.length; ) {
      this.#filling ??= await this.#piece();
      const some = part.subarray(at, at + PIECE_BYTES - this.#filled);
      this.#filling.set(some, this.#filled);
      this.#filled += some.length;
      at += some.length;
      if (this.#filled === PIECE_BYTES) this.#flush();
    }
  }

  /** A free one; waits where all are on their way. */
  async #piece(): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#free.length === 0 && this.#made === PIECES) {
      if (this.#broken !== null) throw this.#broken;
      await this.#hashed;
    }
    const buffer = this.#free.pop();
    if (!buffer) this.#made++;
    return new Uint8Array(buffer ?? new ArrayBuffer(PIECE_BYTES));
  }

  #flush(): void {
    if (!this.#filling || this.#filled === 0) return;
    const piece = this.#filling.subarray(0, this.#filled);
    const at = this.#flushed;
    const loaded = at + piece.length; // once lent, a piece has no length
    this.#filling = null;
    this.#flushed = loaded;
    this.#filled = 0;
    const stored = this.#stored.then(() => this.#put(at, piece));
    this.#stored = stored;
    // One after the other: the digest is over bytes in order, and a note stands for what is stored and hashed.
    this.#hashed = Promise.all([this.#hashed, stored])
      .then(() => this.digests.update(piece))
      .then(({ buffer, state }) => {
        this.#free.push(buffer);
        if (this.problem === null) this.#note({ loaded, hash: state });
      })
      .catch((cause: unknown) => void (this.#broken ??= new LabError("digest-mismatch", `${this.name} could not be checked: its digest was lost half-way. Try again.`, { cause })));
  }

  async #put(at: number, piece: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.problem === null) {
      try {
        return await this.writing.put(at, piece);
      } catch (error) {
        this.problem = problemOf(error);
      }
    }
    this.#memory.set(at, piece.slice());
  }

  #note(newest: Pick<PartialRow, "loaded" | "hash">): void {
    this.#newest = newest;
    this.#noting ??= setTimeout(() => void this.#write(), NOTE_MS);
  }

  async #write(): Promise<void> {
    if (this.#noting !== null) clearTimeout(this.#noting);
    this.#noting = null;
    const newest = this.#newest;
    if (!newest || this.problem !== null) return;
    this.#newest = null;
    const row: PartialRow = { name: this.name, bytes: this.bytes, where: this.room.kind, ...newest };
    await this.store("readwrite", ({ partials }) => done(partials.put(row, this.key))).catch((error: unknown) => void (this.problem ??= problemOf(error)));
  }

  async digest(): Promise<string> {
    this.#flush();
    await this.#settled();
    if (this.#broken !== null) throw this.#broken;
    return this.digests.hex();
  }

  /** From the disk and from memory. null: it was deleted meanwhile. To be called after `close`. */
  async whole(): Promise<Awaited<ReturnType<Room["open"]>>> {
    const first = Math.min(this.bytes, ...this.#memory.keys());
    if (first === this.bytes) return this.room.open(this.key, this.name, this.bytes);
    const below = first === 0 ? null : await this.room.open(this.key, this.name, first).catch(() => null);
    if (!below && first > 0) return null;
    const source = new Joined(below?.source ?? null, first, this.#memory, this.bytes);
    return { source, place: async () => ({ blob: new Blob([await source.read(0, this.bytes)]) }) };
  }

  async reset(): Promise<void> {
    await this.#settled();
    if (this.#broken !== null) this.digests = await openDigest();
    this.#broken = null;
    this.#memory.clear();
    this.#filled = this.#flushed = 0;
    this.#made = this.#free.length + (this.#filling ? 1 : 0);
    this.#newest = null;
    await this.digests.reset();
    try {
      await this.writing.reset();
      await this.store("readwrite", ({ partials }) => done(partials.delete(this.key)));
    } catch (error) {
      this.problem = problemOf(error);
    }
  }

  /** What came so far is noted, for another visit. */
  async close(): Promise<void> {
    await this.#settled();
    await this.#write();
    this.digests.close();
    await this.writing.close();
  }

  async #settled(): Promise<void> {
    await this.#stored;
    await this.#hashed;
  }
}

/** Storage that cannot be opened: all of it stays in memory. */
const nowhere = (error: unknown): Writing => ({ held: 0, put: () => Promise.reject(error as Error), reset: () => Promise.reject(error as Error), close: () => Promise.resolve() });

/** The beginning on the disk, the rest in memory: takes as much of it as there is. */
class Joined implements ByteSource {
  constructor(private readonly below: ByteSource | null, private readonly border: number, private readonly memory: ReadonlyMap<number, Uint8Array<ArrayBuffer>>, readonly size: number) {}

  async read(begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const out = new Uint8Array(end - begin);
    if (this.below && begin < this.border) out.set(await this.below.read(begin, Math.min(end, this.border)));
    for (const [at, piece] of this.memory) {
      const [from, to] = [Math.max(begin, at), Math.min(end, at + piece.length)];
      if (from < to) out.set(piece.subarray(from - at, to - at), from - begin);
    }
    return out;
  }
}
