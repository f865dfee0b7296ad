/**
 * Where a file's bytes come from, a range at a time: a file that was dropped, an array, an address. No retries and no cache:
 * those are the hub's. Every implementation gives exactly the bytes asked for, or a LabError.
 */
import { cancelled, LabError } from "../../lib/error.ts";
import { refusal } from "../../lib/http.ts";

export interface ByteSource {
  /** Bytes of the whole file. */
  readonly size: number;
  /** Bytes begin..end−1, in an array that nobody writes to later. 0 ≤ begin ≤ end ≤ size. */
  read(begin: number, end: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** A file of a model's folder, its path relative to it ("/" between parts). */
export interface SourceFile {
  readonly path: string;
  readonly source: ByteSource;
}

export function bytesSource(bytes: Uint8Array<ArrayBuffer>): ByteSource {
  return {
    size: bytes.length,
    read: async (begin, end) => bytes.subarray(begin, end),
  };
}

/** `name`: for messages. */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    size: blob.size,
    async read(begin, end, signal) {
      stopIf(signal);
      try {
        return new Uint8Array(await blob.slice(begin, end).arrayBuffer());
      } catch (cause) {
        throw new LabError("not-found", `${name} could not be read any more: it was changed, moved or removed since it was chosen. Choose it again.`, { cause, details: { file: name } });
      }
    },
  };
}

export interface UrlOptions {
  /** For messages. */
  readonly name: string;
  /** Where it is known; else the server is asked for one byte first. */
  readonly size?: number | undefined;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A file on a server that answers Range requests. A change of the file between two reads is noticed by ETag and size. */
export async function urlSource(url: string, { name, size, headers, signal }: UrlOptions): Promise<ByteSource> {
  const server = new RangeServer(url, name, headers ?? {});
  return server.of(size ?? (await server.findSize(signal)));
}

class RangeServer {
  #etag: string | null = null;

  constructor(private readonly url: string, private readonly name: string, private readonly headers: Readonly<Record<string, string>>) {}

  of(size: number): ByteSource {
    return { size, read: (begin, end, signal) => (end > begin ? this.#read(begin, end, size, signal) : Promise.resolve(new Uint8Array(0))) };
  }

  async findSize(signal?: AbortSignal): Promise<number> {
    const response = await this.#ask(0, 1, signal);
    if (response.status === 416 && response.headers.get("Content-Range") === "bytes */0") return 0;
    const { total } = this.#answered(response, 0, 1);
    await this.#body(response, 1, signal);
    if (total === null) throw this.#broken("does not say how long it is");
    return total;
  }

  async #read(begin: number, end: number, size: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const response = await this.#ask(begin, end, signal);
    const whole = response.status === 200 && begin === 0 && end === size;
    const total = whole ? size : this.#answered(response, begin, end).total;
    if (total !== null && total !== size) {
      void response.body?.cancel();
      throw this.#broken(`has ${total} bytes there, but ${size} were expected: it was changed`);
    }
    return await this.#body(response, end - begin, signal);
  }

  async #ask(begin: number, end: number, signal?: AbortSignal): Promise<Response> {
    try {
      // A part is no entry for the browser's own cache of whole files.
      return await fetch(this.url, { headers: { ...this.headers, Range: `bytes=${begin}-${end - 1}` }, cache: "no-store", ...(signal ? { signal } : {}) });
    } catch (cause) {
      throw this.#cut(cause, signal);
    }
  }

  /** What a 206 says it is, checked against what was asked. */
  #answered(response: Response, begin: number, end: number): { total: number | null } {
    try {
      if (response.status === 200) throw this.#broken("comes whole where a part was asked for: its server does not answer ranges (HTTP 200 instead of 206). Download it and give the file itself", "");
      if (response.status !== 206) throw refusal(response.status, this.name);
      const said = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/.exec(response.headers.get("Content-Range") ?? "");
      if (!said || Number(said[1]) !== begin || Number(said[2]) !== end - 1) {
        throw this.#broken(`was asked for bytes ${begin}–${end - 1}, but its server sends "${(response.headers.get("Content-Range") ?? "no Content-Range").slice(0, 80)}"`);
      }
      const etag = response.headers.get("ETag");
      this.#etag ??= etag;
      if (etag !== null && etag !== this.#etag) throw this.#broken("was changed on its server while it was read");
      return { total: said[3] === "*" ? null : Number(said[3]) };
    } catch (error) {
      void response.body?.cancel();
      throw error;
    }
  }

  async #body(response: Response, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const told = response.headers.get("Content-Length");
    const framed = told !== null && !response.headers.has("Content-Encoding");
    if (framed && Number(told) !== length) {
      void response.body?.cancel();
      throw this.#broken(`sends ${told} bytes where ${length} were asked for`);
    }
    let bytes: Uint8Array<ArrayBuffer> | null;
    try {
      bytes = framed ? new Uint8Array(await response.arrayBuffer()) : await atMost(response, length);
    } catch (cause) {
      throw this.#cut(cause, signal);
    }
    if (!bytes) throw this.#broken(`sends more than the ${length} bytes that were asked for`);
    // Some browsers end a body quietly when the connection is cut.
    if (bytes.length !== length) throw this.#cut(new TypeError(`${bytes.length} of ${length} bytes`), signal);
    return bytes;
  }

  #cut(cause: unknown, signal?: AbortSignal): LabError {
    if (signal?.aborted) return cancelled();
    return new LabError("offline", `${this.name} could not be read: the network or the server does not answer. Check the connection and try again.`, { cause, details: { file: this.name } });
  }

  #broken(what: string, then = ". Try again; if it stays so, download the file and give that"): LabError {
    return new LabError("length-mismatch", `${this.name} ${what}${then}.`, { details: { file: this.name } });
  }
}

/** A body of unknown length; null as soon as it is longer than it may be. */
async function atMost(response: Response, length: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const bytes = new Uint8Array(length);
  let at = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    if (at + part.value.length > length) {
      await reader?.cancel();
      return null;
    }
    bytes.set(part.value, at);
    at += part.value.length;
  }
  return bytes.subarray(0, at);
}

function stopIf(signal?: AbortSignal): void {
  if (signal?.aborted) throw cancelled();
}
