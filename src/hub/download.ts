/**
 * One file over the network: three tries with back-off, resumed where it was cut (Range with If-Range), length and
 * SHA-256 checked while it streams. Wrong bytes are fetched once more past every cache, then refused.
 */
import { createSHA256 } from "hash-wasm";
import { isLabError, LabError } from "../lib/error.ts";
import { mayPass, refusal } from "../lib/http.ts";
import type { HubProgress } from "../threads/hub.ts";

export interface Wanted {
  readonly url: string;
  /** For messages: "zoo/glyphs/digits/onnx/model.onnx". */
  readonly name: string;
  readonly bytes?: number | undefined;
  readonly sha256?: string | undefined;
  /** How often a network that fails is asked; 3 unless told. */
  readonly tries?: number;
}

export interface Downloaded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
}

const TRIES = 3;
const BACK_OFF_MS = [300, 1200];
const SILENCE_MS = 30_000;

export async function download(wanted: Wanted, onProgress?: HubProgress): Promise<Downloaded> {
  try {
    return await attempt(wanted, "default", onProgress);
  } catch (error) {
    if (!isLabError(error, "digest-mismatch") && !isLabError(error, "length-mismatch")) throw error;
    return await attempt(wanted, "reload", onProgress);
  }
}

async function attempt(wanted: Wanted, cache: RequestCache, onProgress?: HubProgress): Promise<Downloaded> {
  const got: Got = { chunks: [], loaded: 0, etag: null };
  for (let tries = 1; ; tries++) {
    try {
      await stream(wanted, got, cache, onProgress);
      return await verified(wanted, got, onProgress);
    } catch (error) {
      if (!worthATry(error) || tries >= (wanted.tries ?? TRIES)) throw plain(error, wanted, tries);
      await sleep(BACK_OFF_MS[tries - 1] ?? 0);
    }
  }
}

/** What has arrived so far. `etag` null: the server cannot be asked to go on from there. */
interface Got {
  chunks: Uint8Array<ArrayBuffer>[];
  loaded: number;
  etag: string | null;
}

async function stream(wanted: Wanted, got: Got, cache: RequestCache, onProgress?: HubProgress): Promise<void> {
  const resume = got.loaded > 0 && got.etag !== null;
  const headers: HeadersInit = resume ? { Range: `bytes=${got.loaded}-`, "If-Range": got.etag ?? "" } : {};
  // A part must not be taken from, or put into, the browser's own cache of whole files.
  const silence = new Silence();
  try {
    const response = await fetch(wanted.url, { headers, cache: resume ? "no-store" : cache, signal: silence.signal });
    await receive(response, wanted, got, resume, silence, onProgress);
  } finally {
    silence.over();
  }
}

async function receive(response: Response, wanted: Wanted, got: Got, resume: boolean, silence: Silence, onProgress?: HubProgress): Promise<void> {
  if (!response.ok) throw mayPass(response.status) ? new Passing(response.status) : refusal(response.status, wanted.name);
  const continues = resume && response.status === 206 && response.headers.get("Content-Range")?.startsWith(`bytes ${got.loaded}-`);
  if (!continues) Object.assign(got, { chunks: [], loaded: 0 });
  const etag = response.headers.get("ETag");
  got.etag = etag && !etag.startsWith("W/") ? etag : response.headers.get("Last-Modified");
  const length = Number(response.headers.get("Content-Length") ?? 0);
  const total = wanted.bytes ?? (response.headers.has("Content-Encoding") ? 0 : got.loaded + length);
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read();
    silence.broken();
    if (!part || part.done) break;
    got.chunks.push(part.value);
    got.loaded += part.value.length;
    if (wanted.bytes !== undefined && got.loaded > wanted.bytes) {
      await reader?.cancel();
      throw wrongLength(wanted, "more than that");
    }
    onProgress?.({ file: wanted.name, state: "download", loaded: got.loaded, total: Math.max(total, got.loaded) });
  }
  // Some browsers end a body quietly when the connection is cut.
  if (wanted.bytes !== undefined && got.loaded < wanted.bytes && got.etag !== null) throw new TypeError("the connection was cut");
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

async function verified(wanted: Wanted, { chunks, loaded }: Got, onProgress?: HubProgress): Promise<Downloaded> {
  onProgress?.({ file: wanted.name, state: "verify", loaded, total: loaded });
  if (wanted.bytes !== undefined && loaded !== wanted.bytes) throw wrongLength(wanted, `${loaded}`);
  const bytes = new Uint8Array(loaded);
  const hasher = await createSHA256();
  let at = 0;
  for (const chunk of chunks) {
    hasher.update(chunk);
    bytes.set(chunk, at);
    at += chunk.length;
  }
  const sha256 = hasher.digest();
  if (wanted.sha256 !== undefined && sha256 !== wanted.sha256) {
    throw new LabError("digest-mismatch", `${wanted.name} is not the file it should be: its SHA-256 is ${sha256.slice(0, 12)}…, expected ${wanted.sha256.slice(0, 12)}…. It was downloaded twice and is not used; reload the page, or ask whoever runs this site.`, {
      details: { file: wanted.name, sha256, expected: wanted.sha256 },
    });
  }
  return { bytes, sha256 };
}

function wrongLength(wanted: Wanted, got: string): LabError {
  return new LabError("length-mismatch", `${wanted.name} should have ${wanted.bytes} bytes but came with ${got}. It was downloaded twice and is not used; reload the page, or ask whoever runs this site.`, {
    details: { file: wanted.name, expected: wanted.bytes },
  });
}

/** A status that another try may change; anything else is final at once. */
class Passing extends Error {
  constructor(readonly status: number) {
    super(`HTTP ${status}`);
  }
}

const worthATry = (error: unknown): boolean => error instanceof Passing || error instanceof TypeError;

function plain(error: unknown, { name }: Wanted, tries: number): unknown {
  if (!worthATry(error)) return error;
  if (error instanceof Passing && error.status === 429) return refusal(429, name, error);
  const why = error instanceof Passing ? `the server answers HTTP ${error.status}` : "the network or the server does not answer";
  return new LabError("offline", `${name} could not be downloaded: ${why}${tries > 1 ? `, ${tries} times in a row` : ""}. Check the connection and try again.`, { cause: error, details: { file: name } });
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
