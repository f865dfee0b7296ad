/**
 * One file over the network: three tries in a row with back-off (or as long as the server asks for), resumed where it was cut, length and
 * digest checked while it streams. Wrong bytes are fetched once more past every cache, then refused.
 */
import { createSHA1, sha256 as sha256Of } from "hash-wasm";
import { cancelled, isLabError, LabError } from "../lib/error.ts";
import { sha256 } from "../lib/bytes.ts";
import { mayPass, refusal } from "../lib/http.ts";
import type { HubProgress } from "../threads/hub.ts";

export interface Wanted {
  readonly url: string;
  /** For messages: "zoo/glyphs/digits/onnx/model.onnx". */
  readonly name: string;
  readonly bytes?: number | undefined;
  readonly sha256?: string | undefined;
  /** SHA-1 as Git makes it of a file: all that a repository tells of a small one. */
  readonly git?: string | undefined;
  /** How often a network that fails is asked; 3 unless told. */
  readonly tries?: number;
  /** Gives it up. */
  readonly signal?: AbortSignal;
  /** Asks for it (with a token, say, and with words of its own for a refusal); `fetch` unless told. */
  readonly request?: (init: RequestInit) => Promise<Response>;
}

export interface Downloaded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

/** Where the bytes go while they arrive. */
export interface Sink {
  /** Bytes taken so far; a cut download goes on from here. */
  readonly loaded: number;
  /** Takes a copy, so that one buffer serves all parts: a buffer a part is garbage that lies about for long. */
  readonly copies: boolean;
  write(part: Uint8Array<ArrayBuffer>): Promise<void>;
  /** SHA-256 of all that was taken. */
  digest(): Promise<string>;
  /** Back to the beginning. */
  reset(): Promise<void>;
}

const TRIES = 3;
const BACK_OFF_MS = [300, 1200];
const SILENCE_MS = 30_000;
/** A server that wants more patience than this is told to the person who waits. */
const PATIENCE_MS = 60_000;
/** So much between two cuts is a network that works: tries are counted anew. */
const HEADWAY_BYTES = 1 << 20;

export async function download(wanted: Wanted, onProgress?: HubProgress): Promise<Downloaded> {
  const memory = new Memory(wanted.bytes);
  const sha256 = await downloadInto(memory, wanted, onProgress);
  return { bytes: memory.bytes(), sha256 };
}

/** Answers the SHA-256. What `into` holds already must be the beginning of the very same bytes: `wanted.sha256` says whether it was. */
export async function downloadInto(into: Sink, wanted: Wanted, onProgress?: HubProgress): Promise<string> {
  try {
    return await attempt(into, wanted, "default", onProgress);
  } catch (error) {
    if (!isLabError(error, "digest-mismatch") && !isLabError(error, "length-mismatch")) throw error;
    await into.reset();
    try {
      return await attempt(into, wanted, "reload", onProgress);
    } catch (again) {
      await into.reset();
      throw again;
    }
  }
}

async function attempt(into: Sink, wanted: Wanted, cache: RequestCache, onProgress?: HubProgress): Promise<string> {
  const seen: Seen = { etag: null };
  for (let tries = 1; ; tries++) {
    const before = into.loaded;
    try {
      if (wanted.bytes === undefined || into.loaded < wanted.bytes) await stream(into, wanted, seen, cache, onProgress);
      return await verified(into, wanted, onProgress);
    } catch (error) {
      if (wanted.signal?.aborted) throw cancelled();
      if (into.loaded - before >= HEADWAY_BYTES) tries = 1;
      const wait = error instanceof Passing ? error.waitMs : null;
      if (!worthATry(error) || tries >= (wanted.tries ?? TRIES) || (wait ?? 0) > PATIENCE_MS) throw plain(error, wanted, tries);
      await sleep(Math.max(wait ?? 0, BACK_OFF_MS[tries - 1] ?? 0));
      if (wanted.signal?.aborted) throw cancelled();
    }
  }
}

/** What is known of the file on the server; without either it cannot be asked to go on. */
interface Seen {
  etag: string | null;
}

async function stream(into: Sink, wanted: Wanted, seen: Seen, cache: RequestCache, onProgress?: HubProgress): Promise<void> {
  // With a SHA-256 the bytes speak for themselves, and Range alone is a header that any origin takes without being asked first.
  const resume = into.loaded > 0 && (seen.etag !== null || wanted.sha256 !== undefined);
  const headers: Record<string, string> = resume ? { Range: `bytes=${into.loaded}-` } : {};
  if (resume && wanted.sha256 === undefined && seen.etag) headers["If-Range"] = seen.etag;
  const silence = new Silence();
  const request = wanted.request ?? ((init: RequestInit) => fetch(wanted.url, init));
  try {
    // A part must not be taken from, or put into, the browser's own cache of whole files.
    const response = await request({ headers, cache: resume ? "no-store" : cache, signal: wanted.signal ? AbortSignal.any([silence.signal, wanted.signal]) : silence.signal });
    await receive(response, into, wanted, seen, resume, silence, onProgress);
  } finally {
    silence.over();
  }
}

async function receive(response: Response, into: Sink, wanted: Wanted, seen: Seen, resume: boolean, silence: Silence, onProgress?: HubProgress): Promise<void> {
  if (response.status === 416 && resume) throw wrongLength(wanted, `${into.loaded}`);
  if (!response.ok) {
    void response.body?.cancel();
    throw mayPass(response.status) ? new Passing(response.status, retryAfterMs(response)) : refusal(response.status, wanted.name);
  }
  // Another origin may keep Content-Range to itself.
  const range = response.headers.get("Content-Range");
  const continues = resume && response.status === 206 && (range === null ? wanted.sha256 !== undefined : range.startsWith(`bytes ${into.loaded}-`));
  if (!continues && into.loaded > 0) await into.reset();
  const etag = response.headers.get("ETag");
  seen.etag = etag && !etag.startsWith("W/") ? etag : response.headers.get("Last-Modified");
  const announced = response.headers.has("Content-Encoding") ? 0 : Number(response.headers.get("Content-Length") ?? 0);
  const before = into.loaded;
  const total = wanted.bytes ?? before + announced;
  const parts = response.body && partsOf(response.body, into.copies);
  for (;;) {
    const part = await parts?.next();
    silence.broken();
    if (!part) break;
    if (wanted.bytes !== undefined && into.loaded + part.length > wanted.bytes) {
      await parts?.cancel();
      throw wrongLength(wanted, "more than that");
    }
    await into.write(part);
    onProgress?.({ file: wanted.name, state: "download", loaded: into.loaded, total: Math.max(total, into.loaded) });
  }
  // Some browsers end a body quietly when the connection is cut. (A server that announces fewer bytes is another matter: wrong length.)
  if (wanted.bytes !== undefined && into.loaded < wanted.bytes && into.loaded - before < announced) throw new TypeError("the connection was cut");
}

const PART_BYTES = 1 << 18;

/** Parts of a body, null at its end; all in the same buffer where they are `copied` and the browser fills buffers that it is given. */
function partsOf(body: ReadableStream<Uint8Array<ArrayBuffer>>, copied: boolean): { next(): Promise<Uint8Array<ArrayBuffer> | null>; cancel(): Promise<void> } {
  const filling = copied ? fillingReader(body) : null;
  if (filling) {
    let buffer = new ArrayBuffer(PART_BYTES);
    return {
      async next() {
        const { done, value } = await filling.read(new Uint8Array(buffer));
        if (done || !value) return null;
        buffer = value.buffer;
        return value;
      },
      cancel: () => filling.cancel(),
    };
  }
  const reader = body.getReader();
  return {
    async next() {
      const { done, value } = await reader.read();
      return done ? null : value;
    },
    cancel: () => reader.cancel(),
  };
}

function fillingReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStreamBYOBReader | null {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return null;
  }
}

/** Gives a connection up after half a minute without a byte. */
class Silence {
  private readonly controller = new AbortController();
  private timer = this.start();
  readonly signal = this.controller.signal;

  broken(): void {
    clearTimeout(this.timer);
    this.timer = this.start();
  }

  over(): void {
    clearTimeout(this.timer);
  }

  private start(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.controller.abort(new TypeError("no byte for half a minute")), SILENCE_MS);
  }
}

async function verified(into: Sink, wanted: Wanted, onProgress?: HubProgress): Promise<string> {
  const { loaded } = into;
  onProgress?.({ file: wanted.name, state: "verify", loaded, total: loaded });
  if (wanted.bytes !== undefined && loaded !== wanted.bytes) throw wrongLength(wanted, `${loaded}`);
  const sha256 = await into.digest();
  if (wanted.sha256 !== undefined && sha256 !== wanted.sha256) throw wrongDigest(wanted, "SHA-256", sha256, wanted.sha256);
  if (wanted.git !== undefined && into instanceof Memory) {
    const git = await gitDigest(into.bytes());
    if (git !== wanted.git) throw wrongDigest(wanted, "Git digest", git, wanted.git);
  }
  return sha256;
}

async function gitDigest(bytes: Uint8Array): Promise<string> {
  const hasher = await createSHA1();
  hasher.update(`blob ${bytes.length}\0`);
  hasher.update(bytes);
  return hasher.digest();
}

/** A file that will be used whole. */
class Memory implements Sink {
  readonly copies = false;
  loaded = 0;
  #parts: Uint8Array<ArrayBuffer>[] = [];

  constructor(private readonly expected: number | undefined) {}

  write(part: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#parts.push(part);
    this.loaded += part.length;
    return Promise.resolve();
  }

  bytes(): Uint8Array<ArrayBuffer> {
    const [only] = this.#parts;
    if (only && this.#parts.length === 1 && (this.expected === undefined || only.buffer.byteLength === this.loaded)) return only;
    const bytes = new Uint8Array(this.loaded);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    this.#parts = [bytes];
    return bytes;
  }

  /** By the browser's own code where the page is secure: several times as fast, and in another thread. */
  async digest(): Promise<string> {
    return "subtle" in globalThis.crypto ? sha256(this.bytes()) : sha256Of(this.bytes());
  }

  reset(): Promise<void> {
    this.#parts = [];
    this.loaded = 0;
    return Promise.resolve();
  }
}

const twice = "It was downloaded twice and is not used; reload the page, or ask whoever runs its server.";

function wrongDigest(wanted: Wanted, what: string, got: string, expected: string): LabError {
  return new LabError("digest-mismatch", `${wanted.name} is not the file it should be: its ${what} is ${got.slice(0, 12)}…, expected ${expected.slice(0, 12)}…. ${twice}`, {
    details: { file: wanted.name, got, expected },
  });
}

function wrongLength(wanted: Wanted, got: string): LabError {
  return new LabError("length-mismatch", `${wanted.name} should have ${wanted.bytes} bytes but came with ${got}. ${twice}`, {
    details: { file: wanted.name, expected: wanted.bytes },
  });
}

/** A status that another try may change; anything else is final at once. */
export class Passing extends Error {
  constructor(readonly status: number, readonly waitMs: number | null = null) {
    super(`HTTP ${status}`);
  }
}

/** Seconds, as all hubs send it; the form with a date would need a clock. */
export function retryAfterMs(response: Response): number | null {
  const seconds = Number(response.headers.get("Retry-After") ?? NaN);
  return seconds >= 0 ? seconds * 1000 : null;
}

const worthATry = (error: unknown): boolean => error instanceof Passing || error instanceof TypeError;

/** A failed try as a person should hear of it. */
export function plain(error: unknown, { name }: { readonly name: string }, tries: number): unknown {
  if (!worthATry(error)) return error;
  if (error instanceof Passing && error.status === 429) {
    const wait = error.waitMs === null ? "Wait a minute" : `Wait ${Math.ceil(error.waitMs / 1000)} s, as it asks for,`;
    return new LabError("rate-limited", `The server asks for patience with ${name} (HTTP 429). ${wait} and try again.`, { cause: error, details: { file: name, status: 429, retryAfterMs: error.waitMs } });
  }
  const why = error instanceof Passing ? `the server answers HTTP ${error.status}` : "the network or the server does not answer";
  return new LabError("offline", `${name} could not be downloaded: ${why}${tries > 1 ? `, ${tries} times in a row` : ""}. Check the connection and try again.`, { cause: error, details: { file: name } });
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
