/** Files by their digest: from the cache where they are, else downloaded, verified, then kept. */
import { sha256 as sha256Of } from "hash-wasm";
import type { HubProgress } from "../threads/hub.ts";
import { cancelled, isLabError, LabError } from "../lib/error.ts";
import type { Cache, Stored } from "./cache.ts";
import { download, downloadInto, type Wanted } from "./download.ts";
import { Gate } from "./gate.ts";
import type { FolderFile } from "./sources/source.ts";

export interface Warning {
  readonly code: string;
  readonly message: string;
}

/** A file on the disk (or, where that is full, in memory), read a range at a time. */
export interface StoredFile extends Stored {
  readonly sha256: string;
  /** Bytes that came over the network for it. */
  readonly downloaded: number;
}

/** Large files that download at a time. */
const AT_ONCE = 3;

/** A list that may be old is better than none; so long the network has to show a newer one. */
const LATEST_MS = 4000;

export class Shelf {
  /** What should be told once, newest last. */
  readonly warnings: Warning[] = [];
  private readonly underway = new Map<string, Promise<FolderFile>>();
  private readonly stored = new Map<string, Promise<StoredFile>>();
  private readonly lists = new Map<string, Promise<string>>();
  private readonly gate = new Gate(AT_ONCE);
  private stopping = new AbortController();

  constructor(readonly cache: Cache) {}

  /** Gives up downloads of files; parts of large ones stay, to go on from. */
  stop(): void {
    this.stopping.abort();
    this.stopping = new AbortController();
  }

  /** A file whose digest is known, whole. Asked for twice at a time, it is fetched once. */
  file(wanted: Wanted & ({ sha256: string } | { git: string }), onProgress?: HubProgress): Promise<FolderFile> {
    const key = keyOf(wanted);
    const running = this.underway.get(key);
    if (running) return running.then((file) => ({ ...file, downloaded: 0 }));
    const call = this.fetchFile(key, wanted, onProgress).finally(() => this.underway.delete(key));
    this.underway.set(key, call);
    return call;
  }

  private async fetchFile(key: string, wanted: Wanted, onProgress?: HubProgress): Promise<FolderFile> {
    const found = await this.cache.find(key);
    if (found) {
      onProgress?.({ file: wanted.name, state: "cached", loaded: found.length, total: found.length });
      return { bytes: found, sha256: wanted.sha256 ?? (await sha256Of(found)), downloaded: 0 };
    }
    const { bytes, sha256 } = await download({ ...wanted, signal: this.stopping.signal }, onProgress);
    onProgress?.({ file: wanted.name, state: "cache", loaded: bytes.length, total: bytes.length });
    const { problem } = await this.cache.keep(key, wanted.name, bytes);
    if (problem) await this.warn(problem, wanted.name);
    return { bytes, sha256, downloaded: bytes.length };
  }

  /** A file too large to be held whole: chunk by chunk to the disk. One tab at a time fetches it; the others then find it. */
  large(wanted: Wanted & { sha256: string; bytes: number }, onProgress?: HubProgress): Promise<StoredFile> {
    const key = wanted.sha256;
    const running = this.stored.get(key);
    if (running) return running.then((file) => ({ ...file, downloaded: 0 }));
    const { signal } = this.stopping;
    const fetch = () => this.cache.alone(key, () => this.fetchLarge(key, { ...wanted, signal }, onProgress));
    const call = this.gate.pass(() => (signal.aborted ? Promise.reject(cancelled()) : fetch())).finally(() => this.stored.delete(key));
    this.stored.set(key, call);
    return call;
  }

  private async fetchLarge(key: string, wanted: Wanted & { bytes: number }, onProgress?: HubProgress): Promise<StoredFile> {
    const found = await this.cache.open(key);
    if (found) {
      onProgress?.({ file: wanted.name, state: "cached", loaded: wanted.bytes, total: wanted.bytes });
      return { ...found, sha256: key, downloaded: 0 };
    }
    for (let again = false; ; again = true) {
      const partial = await this.cache.begin(key, wanted.name, wanted.bytes);
      const before = partial.loaded;
      const sha256 = await downloadInto(partial, wanted, onProgress).catch(async (error: unknown) => {
        await partial.close();
        throw error;
      });
      onProgress?.({ file: wanted.name, state: "cache", loaded: wanted.bytes, total: wanted.bytes });
      const committed = await this.cache.commit(partial);
      if (committed) {
        if (committed.kept.problem) await this.warn(committed.kept.problem, wanted.name);
        return { ...committed.stored, sha256, downloaded: wanted.bytes - before };
      }
      // Its chunks were deleted while it downloaded (storage cleared).
      if (again) throw new LabError("quota", `${wanted.name} could not be kept: the browser's storage was emptied twice while it downloaded. Try again.`, { details: { file: wanted.name } });
    }
  }

  /** A small file without a known digest (a list of files): the network's if it answers soon, else the kept one. Read once a visit. */
  latest(url: string, name: string): Promise<string> {
    const known = this.lists.get(url);
    if (known) return known;
    const call = this.fetchLatest(url, name);
    this.lists.set(url, call);
    call.catch(() => this.lists.delete(url));
    return call;
  }

  private async fetchLatest(url: string, name: string): Promise<string> {
    const key = `latest:${url}`;
    const kept = await this.cache.find(key);
    const fresh = download({ url, name, tries: kept ? 1 : 3 }).then(async ({ bytes }) => {
      await this.cache.keep(key, name, bytes);
      return bytes;
    });
    const instead = (error: unknown) => {
      if (!kept || isLabError(error, "not-found")) throw error;
      return kept;
    };
    const bytes = await Promise.race([fresh.catch(instead), ...(kept ? [after(LATEST_MS, kept)] : [])]);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch (cause) {
      throw new LabError("unknown-model", `${name} is not text.`, { cause });
    }
  }

  private async warn(problem: "quota" | "unavailable", name: string): Promise<void> {
    const why = problem === "quota" ? "the browser's storage for this site is full" : "this browser keeps no data for this site";
    const kept = (await this.cache.files()).filter(({ state }) => state !== "memory").sort((a, b) => b.bytes - a.bytes);
    const largest = kept.slice(0, 3).map((file) => `${file.name} (${megabytes(file.bytes)})`);
    const room = largest.length > 0 && problem === "quota" ? `Delete from the cache what is not needed; the largest there: ${largest.join(", ")}.` : "Clear the cache of models to make room.";
    this.warnings.push({ code: `cache-${problem}`, message: `${name} could not be kept (${why}), so it stays in memory and is downloaded again next time. ${room}` });
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** In the cache. Git's digest is another function of the content than SHA-256, but no less an address of it. */
export const keyOf = (wanted: { readonly sha256?: string | undefined; readonly git?: string | undefined }): string => wanted.sha256 ?? `git:${wanted.git}`;

const after = <T>(ms: number, value: T): Promise<T> => new Promise((resolve) => setTimeout(resolve, ms, value));
