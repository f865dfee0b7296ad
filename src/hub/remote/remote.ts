/**
 * Repositories of the Hub as this visit knows them. A revision is resolved to its commit once and that is kept with the list of files, so that a
 * second run asks for nothing; a look before a merge (preflight), or deleting from the cache, asks anew.
 */
import type { Shelf } from "../shelf.ts";
import { keyOf } from "../shelf.ts";
import type { HubProgress } from "../../threads/hub.ts";
import { LabError } from "../../lib/error.ts";
import type { Wanted } from "../download.ts";
import type { Connection } from "./connection.ts";
import { RemoteBytes } from "./range.ts";
import { describe, factsSchema, pageOf, type RemoteFile, type RepositoryFacts } from "./repository.ts";

const COMMIT = /^[0-9a-f]{40}$/;

export class Remote {
  readonly #known = new Map<string, Promise<RepositoryFacts>>();

  constructor(readonly connection: Connection, private readonly shelf: Shelf) {}

  /** `fresh`: what the Hub says now. */
  facts(id: string, revision: string, { fresh = false } = {}): Promise<RepositoryFacts> {
    const key = `${this.connection.address.hub}/${id}@${revision}`;
    const known = this.#known.get(key);
    if (known && !fresh) return known;
    const call = this.#find(key, id, revision, fresh);
    this.#known.set(key, call);
    call.catch(() => this.#known.delete(key));
    return call;
  }

  /** Forgets which commits branches stood for. */
  forget(): void {
    this.#known.clear();
  }

  async #find(key: string, id: string, revision: string, fresh: boolean): Promise<RepositoryFacts> {
    const commit = COMMIT.test(revision) ? revision : fresh ? null : await this.#note(`revision:${key}`);
    const kept = commit && (await this.#kept(id, commit));
    if (kept) return kept;
    const facts = await describe(this.connection, id, revision);
    const name = `${id}@${facts.commit}`;
    await this.#keep(`facts:${this.connection.address.hub}/${name}`, name, JSON.stringify(facts));
    await this.#keep(`revision:${key}`, name, facts.commit);
    return facts;
  }

  async #kept(id: string, commit: string): Promise<RepositoryFacts | null> {
    const text = await this.#note(`facts:${this.connection.address.hub}/${id}@${commit}`);
    if (text === null) return null;
    try {
      return factsSchema.parse(JSON.parse(text));
    } catch {
      return null; // of another version of the lab: asked for again
    }
  }

  async #note(key: string): Promise<string | null> {
    const bytes = await this.shelf.cache.find(key);
    return bytes && new TextDecoder().decode(bytes);
  }

  async #keep(key: string, name: string, text: string): Promise<void> {
    await this.shelf.cache.keep(key, name, new TextEncoder().encode(text));
  }

  /** For `Shelf`. */
  wanted(facts: RepositoryFacts, file: RemoteFile): Wanted & { bytes: number } & ({ sha256: string } | { sha256?: undefined; git: string }) {
    const { sha256, git, bytes } = file;
    const name = this.nameOf(facts, file.path);
    const url = this.#url(facts, file.path);
    const common = { url, name, bytes, request: (init: RequestInit) => this.connection.request(url, this.#subject(facts, file.path), { ...init, cache: "no-store" }) };
    if (sha256 !== undefined) return { ...common, sha256 };
    if (git !== undefined) return { ...common, git };
    throw new LabError("unknown-model", `The Hub tells no digest of ${name}, so nobody could say whether it came over right. If it is a mirror, try another.`, { details: { file: name } });
  }

  /** A small file, through the cache. */
  async read(facts: RepositoryFacts, path: string, onProgress?: HubProgress) {
    return this.shelf.file(this.wanted(facts, this.file(facts, path)), onProgress);
  }

  /** Some bytes of a file, past the cache. */
  bytes(facts: RepositoryFacts, path: string): RemoteBytes {
    return new RemoteBytes(this.connection, this.#url(facts, path), this.#subject(facts, path), this.file(facts, path).bytes);
  }

  /** Which files need no download. */
  async cached(files: readonly RemoteFile[]): Promise<Set<RemoteFile>> {
    const there = await this.shelf.cache.has(files.map(keyOf));
    return new Set(files.filter((file) => there.has(keyOf(file))));
  }

  file(facts: RepositoryFacts, path: string): RemoteFile {
    const file = facts.files.find((one) => one.path === path);
    if (!file) throw new LabError("not-found", `There is no ${path} in ${facts.id}.`, { details: { id: facts.id, path } });
    return file;
  }

  nameOf({ id }: RepositoryFacts, path: string): string {
    return `${id}/${path}`;
  }

  #subject(facts: RepositoryFacts, path: string) {
    return { name: this.nameOf(facts, path), page: pageOf(this.connection, facts.id) };
  }

  #url({ id, commit }: RepositoryFacts, path: string): string {
    return `${this.connection.address.hub}/${id}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
  }
}
