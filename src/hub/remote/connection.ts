/**
 * Requests to the Hub. The token lives here and nowhere else: it goes along to the Hub's and the viewer's origins, to no other, and into no
 * message, address or key. (A redirect to another origin loses it: `fetch` drops Authorization there.)
 */
import { LabError } from "../../lib/error.ts";
import { mayPass } from "../../lib/http.ts";
import { Passing, plain, retryAfterMs, sleep } from "../download.ts";
import { type HubAddress } from "./address.ts";

const TRIES = 3;
const BACK_OFF_MS = [300, 1200];
const PATIENCE_MS = 60_000;
const ANSWER_MS = 30_000;

/** What is asked for, for messages. */
export interface Subject {
  /** "owner/name", or a file of it. */
  readonly name: string;
  /** Its page on the Hub. */
  readonly page: string;
}

export class Connection {
  #token: string | null = null;
  readonly #origins: ReadonlySet<string>;

  constructor(readonly address: HubAddress) {
    this.#origins = new Set([new URL(address.hub).origin, new URL(address.viewer).origin]);
  }

  /** Kept in memory only. */
  setToken(token: string | null): void {
    const trimmed = token?.trim() ?? "";
    if (/[^\x21-\x7e]/.test(trimmed) || trimmed.length > 512) throw new LabError("bad-arguments", "This is no token: tokens have letters, digits and _ only. Copy it again from your settings on the Hub.");
    this.#token = trimmed === "" ? null : trimmed;
  }

  get hasToken(): boolean {
    return this.#token !== null;
  }

  /** Once, as it comes. */
  async fetch(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.delete("Authorization");
    if (this.#token !== null && this.#origins.has(new URL(url).origin)) headers.set("Authorization", `Bearer ${this.#token}`);
    return fetch(url, { ...init, headers, credentials: "omit", referrerPolicy: "no-referrer" });
  }

  /** For one file or answer: a refusal is told in words for people; what another try may change is left to the caller. */
  async request(url: string, subject: Subject, init: RequestInit = {}): Promise<Response> {
    const response = await this.fetch(url, init);
    if (response.ok || mayPass(response.status) || response.status === 416) return response;
    void response.body?.cancel();
    throw this.#refusal(response, subject);
  }

  /** Three tries, as patient as the server asks for. `read` takes the body within a try: a cut there is one more reason for another. */
  async ask<T>(url: string, subject: Subject, read: (response: Response) => Promise<T>, init: RequestInit = {}): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        const response = await this.request(url, subject, { ...init, signal: AbortSignal.timeout(ANSWER_MS) });
        if (!response.ok && response.status !== 416) {
          void response.body?.cancel();
          throw new Passing(response.status, retryAfterMs(response));
        }
        return await read(response);
      } catch (thrown) {
        const error = isTimeout(thrown) ? new TypeError("no answer for half a minute", { cause: thrown }) : thrown;
        const wait = error instanceof Passing ? (error.waitMs ?? 0) : 0;
        if (!(error instanceof Passing || error instanceof TypeError) || tries >= TRIES || wait > PATIENCE_MS) throw plain(error, subject, tries);
        await sleep(Math.max(wait, BACK_OFF_MS[tries - 1] ?? 0));
      }
    }
  }

  #refusal(response: Response, { name, page }: Subject): LabError {
    const { status } = response;
    const code = response.headers.get("X-Error-Code");
    const error = (kind: "gated" | "not-found", message: string) => new LabError(kind, message, { details: { name, status, reason: code } });
    if (code === "GatedRepo" || (status === 403 && code === null)) {
      return status === 401 || !this.hasToken
        ? error("gated", `${name} is gated (HTTP ${status}): its owner wants to know who reads it. Accept the terms on ${page}, then enter your token.`)
        : error("gated", `${name} is gated, and this token's account may not read it (HTTP ${status}). Ask for access on ${page}, or enter the token of an account that has it.`);
    }
    if (status === 401 && this.hasToken && code === null) return error("gated", `The Hub does not accept the token (HTTP 401): it is mistyped, revoked or of another Hub. Enter it again, or leave it out for what is public.`);
    if (status === 401) return error("gated", `${name} is not there, or private (HTTP 401). Check the spelling; if it is private, enter a token that may read it.`);
    if (status === 403) return error("gated", `${name} may not be read with this token (HTTP 403). Give the token the right to read it, or enter another.`);
    if (code === "RevisionNotFound") return error("not-found", `${name} has no such branch, tag or commit (HTTP 404). Look at ${page} which there are.`);
    if (code === "EntryNotFound") return error("not-found", `${name} is not there (HTTP 404). Look at ${page} which files there are.`);
    if (status === 404 || status === 410) return error("not-found", `${name} is not on the Hub (HTTP ${status})${this.hasToken ? ", or private to others" : ""}. Check the spelling.`);
    return error("not-found", `${name} cannot be read (HTTP ${status}).`);
  }
}

const isTimeout = (error: unknown): boolean => error instanceof DOMException && (error.name === "TimeoutError" || error.name === "AbortError");
