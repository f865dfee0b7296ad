/** Files of the site by their digest: from the cache where they are, else downloaded, verified, then kept. */
import type { HubProgress } from "../threads/hub.ts";
import { isLabError, LabError } from "../lib/error.ts";
import type { Cache } from "./cache.ts";
import { download, type Wanted } from "./download.ts";
import type { FolderFile } from "./sources/source.ts";

export interface Warning {
  readonly code: string;
  readonly message: string;
}

/** A list that may be old is better than none; so long the network has to show a newer one. */
const LATEST_MS = 4000;

export class Shelf {
  /** What should be told once, newest last. */
  readonly warnings: Warning[] = [];
  private readonly underway = new Map<string, Promise<FolderFile>>();
  private readonly lists = new Map<string, Promise<string>>();

  constructor(private readonly cache: Cache) {}

  /** A file whose digest is known. Asked for twice at a time, it is fetched once. */
  file(wanted: Wanted & { sha256: string }, onProgress?: HubProgress): Promise<FolderFile> {
    const running = this.underway.get(wanted.sha256);
    if (running) return running.then((file) => ({ ...file, downloaded: 0 }));
    const call = this.fetchFile(wanted, onProgress).finally(() => this.underway.delete(wanted.sha256));
    this.underway.set(wanted.sha256, call);
    return call;
  }

  private async fetchFile(wanted: Wanted & { sha256: string }, onProgress?: HubProgress): Promise<FolderFile> {
    const found = await this.cache.find(wanted.sha256);
    if (found) {
      onProgress?.({ file: wanted.name, state: "cached", loaded: found.length, total: found.length });
      return { bytes: found, sha256: wanted.sha256, downloaded: 0 };
    }
    const { bytes, sha256 } = await download(wanted, onProgress);
    onProgress?.({ file: wanted.name, state: "cache", loaded: bytes.length, total: bytes.length });
    const { problem } = await this.cache.keep(sha256, wanted.name, bytes);
    if (problem) this.warn(problem, wanted.name);
    return { bytes, sha256, downloaded: bytes.length };
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

  private warn(problem: "quota" | "unavailable", name: string): void {
    const why = problem === "quota" ? "the browser's storage for this site is full" : "this browser keeps no data for this site";
    this.warnings.push({ code: `cache-${problem}`, message: `${name} could not be kept (${why}), so it stays in memory and is downloaded again next time. Clear the cache of models to make room.` });
  }
}

const after = <T>(ms: number, value: T): Promise<T> => new Promise((resolve) => setTimeout(resolve, ms, value));
