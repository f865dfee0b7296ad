/**
 * The small static server behind `npm start`, the tests and the command line: right MIME types, Range, isolation headers, the
 * code thread's policy, caching for hashed files, any sub-path. Serves what lies in `root` and nothing outside it.
 */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { codePolicy, isCodeWorker } from "./vite/policy.mjs";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".jsonl": "application/x-ndjson; charset=utf-8",
  ".webmanifest": "application/manifest+json",
  ".md": "text/markdown; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".zip": "application/zip",
  ".onnx": "application/octet-stream",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".jpg": "image/jpeg",
  ".woff2": "font/woff2",
  ".woff": "font/woff",
};

/** Threads in WASM need a page isolated by these. */
export const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

/** Vite's names for built files carry a hash of their content. */
const hashed = /\/assets\/[^/]+-[\w-]{8}\.\w+$/;

/**
 * @param {object} options
 * @param {string} options.root folder to serve
 * @param {string} [options.base] sub-path it appears under, "/deep/under/"
 * @param {number} [options.port] 0: any free one
 * @param {string[]} [options.hosts] addresses to listen on
 * @param {boolean} [options.isolated] send the isolation headers and the code thread's policy; false: as a host that sends none
 * @param {(request: import("node:http").IncomingMessage, response: import("node:http").ServerResponse, pathname: string) => boolean | Promise<boolean>} [options.route]
 *   asked first; true when it answered
 */
export async function serve({ root, base = "/", port = 0, hosts = ["127.0.0.1"], isolated = true, route }) {
  const answer = async (request, response) => {
    try {
      const pathname = decodeURIComponent(new URL(request.url ?? "/", "http://local").pathname);
      if (isolated) for (const [name, value] of Object.entries(isolation)) response.setHeader(name, value);
      response.setHeader("X-Content-Type-Options", "nosniff");
      if (isolated && isCodeWorker(pathname)) for (const [name, value] of Object.entries(codePolicy)) response.setHeader(name, value);
      if (route && (await route(request, response, pathname))) return;
      if (request.method !== "GET" && request.method !== "HEAD") return refuse(response, 405, "Only GET and HEAD.");
      if (pathname + "/" === base) return response.writeHead(308, { Location: base }).end();
      if (!pathname.startsWith(base)) return refuse(response, 404, "Not here.");
      await sendFile(request, response, root, pathname.slice(base.length) || "index.html");
    } catch (error) {
      if (error instanceof URIError || error?.code === "ERR_INVALID_URL") return refuse(response, 400, "Not an address.");
      if (!response.headersSent) refuse(response, 500, "The server failed.");
      else response.destroy();
    }
  };
  const servers = [];
  for (const host of hosts) {
    const server = createServer(answer);
    const opened = await listen(server, servers.length ? servers[0].address().port : port, host);
    if (opened === true) servers.push(server);
    else if (!servers.length) throw opened; // further addresses (::1) are welcome, not needed
  }
  const actual = servers[0].address().port;
  return {
    port: actual,
    /** @type {string} */
    url: `http://localhost:${actual}${base}`,
    async close() {
      for (const server of servers) server.closeAllConnections();
      await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
    },
  };
}

const listen = (server, port, host) =>
  new Promise((resolve) => {
    server.once("error", resolve);
    server.listen(port, host, () => resolve(true));
  });

function refuse(response, status, text) {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" }).end(text);
}

/** One file of `root`, whole or the one range that was asked for. */
export async function sendFile(request, response, root, relative) {
  let file = path.resolve(root, "./" + relative);
  if (relative.includes("\0") || (file !== root && !file.startsWith(path.resolve(root) + path.sep))) return refuse(response, 404, "Not here.");
  let found = await stat(file).catch(() => null);
  if (found?.isDirectory()) {
    file = path.join(file, "index.html");
    found = await stat(file).catch(() => null);
  }
  if (!found?.isFile()) return refuse(response, 404, `There is no ${relative} here.`);

  const etag = `"${found.size.toString(36)}-${Math.round(found.mtimeMs).toString(36)}"`;
  response.setHeader("Content-Type", types[path.extname(file).toLowerCase()] ?? "application/octet-stream");
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("ETag", etag);
  response.setHeader("Cache-Control", hashed.test("/" + relative) ? "public, max-age=31536000, immutable" : "no-cache");
  if (request.headers["if-none-match"] === etag) return response.writeHead(304).end();

  const range = request.headers["if-range"] && request.headers["if-range"] !== etag ? null : parseRange(request.headers.range, found.size);
  if (range === "unsatisfiable") return response.writeHead(416, { "Content-Range": `bytes */${found.size}` }).end();
  const { start, end } = range ?? { start: 0, end: found.size - 1 };
  response.writeHead(range ? 206 : 200, {
    "Content-Length": end - start + 1,
    ...(range && { "Content-Range": `bytes ${start}-${end}/${found.size}` }),
  });
  if (request.method === "HEAD" || found.size === 0) return response.end();
  await new Promise((resolve) => {
    const stream = createReadStream(file, { start, end });
    stream.on("error", () => response.destroy());
    response.on("close", () => (stream.destroy(), resolve(undefined)));
    stream.pipe(response);
  });
}

/** `bytes=a-b`, `bytes=a-`, `bytes=-n`; several ranges are answered with the whole file. */
export function parseRange(header, size) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return null;
  const start = match[1] === "" ? Math.max(0, size - Number(match[2])) : Number(match[1]);
  const end = match[1] === "" || match[2] === "" ? size - 1 : Math.min(size - 1, Number(match[2]));
  return start >= size || start > end ? "unsatisfiable" : { start, end };
}
