/** One request and its answer: CORS as the Hub's, ranges, entity tags, and whatever fault was asked for. */
import { createReadStream } from "node:fs";
import { parseRange } from "../serve.mjs";

/** What the Hub lets pages read; redirects' targets let them read nothing but the safelisted headers. */
const exposed = "X-Repo-Commit,X-Request-Id,X-Error-Code,X-Error-Message,X-Revision,X-Total-Count,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag,Retry-After";
const bodyMax = 64e6;

/** Thrown by a route: answered in the Hub's form, the reason in a header too. */
export class Refusal extends Error {
  /** @param {number} status @param {string} message @param {string} [code] @param {Record<string, string>} [headers] */
  constructor(status, message, code, headers = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

let requests = 0;

export class Answer {
  /**
   * @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response
   * @param {{ on: "hub" | "cdn" | "viewer", faults: import("./faults.mjs").Faults, log: object[], rate?: number }} place
   */
  constructor(request, response, { on, faults, log, rate }) {
    this.request = request;
    this.response = response;
    this.on = on;
    this.method = request.method ?? "GET";
    this.url = new URL(request.url ?? "/", "http://local");
    /** Undecoded: a slash in a branch's name is not one between folders. */
    this.path = this.url.pathname;
    this.query = this.url.searchParams;
    this.faults = faults;
    this.rate = rate;
    /** @type {import("./faults.mjs").Fault | null} */
    this.fault = null;
    this.row = { on, method: this.method, path: this.path, range: request.headers.range ?? null, authorized: request.headers.authorization !== undefined, status: 0, sent: 0 };
    log.push(this.row);
    response.on("close", () => (this.row.status = response.statusCode));
    const asker = request.headers.origin;
    // The large files' origin does not know who asks (after a redirect the browser says "null") and says so.
    response.setHeader("Access-Control-Allow-Origin", on === "hub" ? (asker ?? "*") : "*");
    if (on === "hub") response.setHeader("Vary", "Origin");
    if (on !== "cdn") response.setHeader("Access-Control-Expose-Headers", exposed);
    response.setHeader("X-Request-Id", `local-${++requests}`);
    response.setHeader("Cross-Origin-Resource-Policy", "cross-origin");
  }

  preflight() {
    const wanted = this.request.headers["access-control-request-headers"] ?? "";
    // Where large files lie nobody signs in: a token that came along would be a leak.
    const allowed = this.on === "cdn" ? wanted.split(",").filter((name) => name.trim().toLowerCase() !== "authorization").join(",") : wanted;
    this.response.writeHead(204, { "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE", "Access-Control-Allow-Headers": allowed, "Access-Control-Max-Age": "600" }).end();
  }

  /** Takes a fault for this request; true when it already answered. */
  async faulty() {
    this.fault = this.faults.take(this.on, decodeURIComponent(this.path), this.query.get("fault"));
    if (this.fault?.kind === "status") {
      const { status = 500, code, retryAfter } = this.fault;
      this.refuse(status, status === 429 ? "We had to rate limit you. Please retry later." : "As asked for.", code, retryAfter === undefined ? {} : { "Retry-After": String(retryAfter) });
      return true;
    }
    if (this.fault?.kind === "web-page") {
      this.response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><title>Sign in to the network</title>");
      return true;
    }
    return false;
  }

  json(value, headers = {}) {
    const text = Buffer.from(JSON.stringify(value));
    this.row.sent += text.length;
    this.response.writeHead(200, { "Content-Type": "application/json; charset=utf-8", "Content-Length": text.length, ...headers });
    this.response.end(this.method === "HEAD" ? undefined : text);
  }

  refuse(status, message, code, headers = {}) {
    if (this.response.headersSent) return void this.response.destroy();
    const text = Buffer.from(JSON.stringify({ error: message }));
    this.response.writeHead(status, {
      "Content-Type": "application/json; charset=utf-8",
      "Content-Length": text.length,
      "X-Error-Message": message,
      ...(code && { "X-Error-Code": code }),
      ...headers,
    });
    this.response.end(this.method === "HEAD" ? undefined : text);
  }

  fail(error) {
    process.stderr.write(`${this.method} ${this.path}: ${error?.stack ?? error}\n`);
    this.refuse(500, "Internal Error - We're working hard to fix this as soon as possible!");
  }

  redirect(location, headers = {}) {
    if (this.fault) this.faults.putBack(this.fault);
    this.response.writeHead(302, { Location: location, "Content-Length": 0, ...headers }).end();
  }

  async readBody(max = bodyMax) {
    const parts = [];
    let length = 0;
    for await (const part of this.request) {
      length += part.length;
      if (length > max) throw new Refusal(413, "Payload too large");
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  async readJson() {
    return JSON.parse((await this.readBody()).toString("utf8"));
  }

  /**
   * A file, whole or the one range asked for.
   * @param {{ file: string, size: number, etag: string, headers?: Record<string, string> }} what
   */
  async send({ file, size, etag, headers = {} }) {
    const { request, response } = this;
    const ranges = this.fault?.kind !== "whole";
    const tag = `"${etag}"`;
    const fixed = { ETag: tag, "Content-Type": "application/octet-stream", ...(ranges && { "Accept-Ranges": "bytes" }), ...headers };
    if (request.headers["if-none-match"] === tag) return void response.writeHead(304, fixed).end();
    const current = !request.headers["if-range"] || request.headers["if-range"] === tag;
    const range = ranges && current ? parseRange(request.headers.range, size) : null;
    if (range === "unsatisfiable") return void response.writeHead(416, { ...fixed, "Content-Range": `bytes */${size}`, "Content-Length": 0 }).end();
    const { start, end } = range ?? { start: 0, end: size - 1 };
    if (this.fault && bodyFaults.includes(this.fault.kind) && (place(this.fault, size) < start || place(this.fault, size) > end)) {
      this.faults.putBack(this.fault); // its byte is not among these: it waits for a request that has it
      this.fault = null;
    }
    const stop = this.fault?.kind === "short" ? Math.min(end, place(this.fault, size) - 1) : end;
    response.writeHead(range ? 206 : 200, { ...fixed, "Content-Length": Math.max(0, stop - start + 1), ...(range && { "Content-Range": `bytes ${start}-${end}/${size}` }) });
    if (this.method === "HEAD" || stop < start) return void response.end();
    await this.#pour(file, start, stop, size);
  }

  async #pour(file, start, end, size) {
    const { response, fault } = this;
    const at = fault && fault.kind !== "short" && bodyFaults.includes(fault.kind) ? place(fault, size) : Infinity;
    const rate = fault?.kind === "slow" ? fault.rate : this.rate;
    const gone = new Promise((resolve) => response.on("close", resolve));
    const began = performance.now();
    let position = start;
    // A connection with a rate gets a tenth of a second's worth at a time.
    const highWaterMark = rate ? Math.max(1, Math.min(1 << 18, Math.floor(rate / 10))) : 1 << 18;
    for await (let part of createReadStream(file, { start, end, highWaterMark })) {
      if (rate) await pace(((position + part.length - start) / rate) * 1000 - (performance.now() - began));
      if (at >= position && at < position + part.length) {
        if (fault?.kind === "flip") part[at - position] ^= 0xff;
        else part = part.subarray(0, at - position);
      }
      this.row.sent += part.length;
      if (!response.write(part)) await Promise.race([new Promise((resolve) => response.once("drain", resolve)), gone]);
      position += part.length;
      if (response.destroyed) return;
      if (position === at && fault?.kind === "cut") {
        await new Promise((resolve) => setTimeout(resolve, 20)); // what was written leaves first
        return void response.destroy();
      }
      if (position === at && fault?.kind === "stall") return void (await gone);
    }
    response.end();
    await gone;
  }
}

const bodyFaults = ["cut", "stall", "flip", "short"];
const place = ({ at = 0 }, size) => (at < 0 ? size + at : at);
const pace = (ms) => (ms > 1 ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined);
