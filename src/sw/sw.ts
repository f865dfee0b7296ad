/**
 * The service worker: the site offline, and isolated where the host cannot send the headers.
 * Files are kept under their content's hash, so a new version downloads only what changed. The shell (pages, scripts,
 * styles, fonts) is kept while installing; runtime and models follow on demand, or when the page says it is idle.
 * A new version takes over when no page of the old one is open (no skipWaiting: a page must find the files it was built with).
 * It stands alone: tools/vite/service-worker.mjs puts `FILES` and `CODE_POLICY` before it and writes it as `sw.js`.
 */

/** Python, 13 MB of it, is for those who run code. */
const onlyOnDemand = /\b(pyodide|python_)/;

/** The runtime with a GPU and without one, 27 and 14 MB: a device needs one of them. */
const gpuRuntime = /\bort-wasm-[\w-]+\.asyncify-/;
const plainRuntime = /\bort-wasm-[\w-]+\.(wasm|mjs)$/;

/** Path under the scope, digest of its content, and whether it belongs to the shell. */
declare const FILES: readonly (readonly [path: string, digest: string, shell: boolean])[];
/** What the code thread's script is served with: generated code reaches no network. */
declare const CODE_POLICY: Readonly<Record<string, string>>;

interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Message extends Extendable {
  readonly data: unknown;
}
interface Scope {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: { claim(): Promise<void> };
  addEventListener(type: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
  addEventListener(type: "message", listener: (event: Message) => void): void;
}

const scope = self as unknown as Scope;
const home = scope.registration.scope;
const cacheName = `murmuration:${new URL(home).pathname}`;
const digests = new Map(FILES.map(([path, digest]) => [path, digest]));
const shell = FILES.filter(([, , first]) => first).map(([path]) => path);
/** One download a file, however many ask. */
const underWay = new Map<string, Promise<Response>>();
/** Settles when the file was kept, or could not be. */
const stored = new Map<string, Promise<unknown>>();

scope.addEventListener("install", (event) => event.waitUntil(Promise.all(shell.map(keep))));
scope.addEventListener("activate", (event) => event.waitUntil(dropOld().then(() => scope.clients.claim())));
scope.addEventListener("message", (event) => {
  if (event.data === "keep-all" || event.data === "keep-all-for-gpu") event.waitUntil(keepAll(event.data === "keep-all-for-gpu"));
});
scope.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || !url.href.startsWith(home)) return; // the Hub, another app on this origin
  const asked = decodeURIComponent(url.pathname).slice(decodeURIComponent(new URL(home).pathname).length);
  const path = asked === "" || asked.endsWith("/") ? `${asked}index.html` : asked;
  event.respondWith(digests.has(path) ? ours(path, request) : fetch(request).then((response) => isolated(response)));
});

async function ours(path: string, request: Request): Promise<Response> {
  const response = (await kept(path)) ?? (await download(path));
  return isolated(await ranged(response, request.headers.get("range")), /(^|\/)code\.worker-[\w-]+\.js$/.test(path) ? CODE_POLICY : {});
}

/** Where a file lies in the cache: its address with the digest behind it. */
function key(path: string): string {
  return new URL(`${path}?digest=${digests.get(path) ?? ""}`, home).href;
}

async function kept(path: string): Promise<Response | undefined> {
  return (await caches.open(cacheName)).match(key(path));
}

async function keep(path: string): Promise<void> {
  if (await kept(path)) return;
  await download(path);
  await stored.get(path);
}

async function keepAll(gpu: boolean): Promise<void> {
  // One after another: this is for later, the page's own downloads come first.
  const runtime = gpu ? plainRuntime : gpuRuntime;
  for (const [path] of FILES) if (!onlyOnDemand.test(path) && !runtime.test(path)) await keep(path).catch(() => undefined);
}

/** From the site to the page and to the cache: in parallel, and a full disk or a failed answer still reaches the page. */
async function download(path: string): Promise<Response> {
  let running = underWay.get(path);
  if (!running) {
    running = fetch(new URL(path, home), { cache: "no-cache" });
    underWay.set(path, running);
    const done = () => underWay.delete(path);
    stored.set(path, running.then((response) => store(path, response.clone())).then(done, done));
  }
  return (await running).clone();
}

/** Keeps only what has the digest of this version: the site may have a newer one already. */
async function store(path: string, response: Response): Promise<void> {
  if (response.status !== 200) return;
  const bytes = await response.arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const digest = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (!digest.startsWith(digests.get(path) ?? "none")) return;
  await (await caches.open(cacheName)).put(key(path), new Response(bytes, { headers: response.headers }));
}

async function dropOld(): Promise<void> {
  const cache = await caches.open(cacheName);
  const wanted = new Set(FILES.map(([path]) => key(path)));
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
}

/** A whole kept file answers a request for a part of it. */
async function ranged(response: Response, header: string | null): Promise<Response> {
  const match = /^bytes=(\d+)-(\d*)$/.exec(header ?? "");
  if (!match || response.status !== 200) return response;
  const blob = await response.blob();
  const start = Number(match[1]);
  const end = match[2] ? Math.min(Number(match[2]), blob.size - 1) : blob.size - 1;
  if (start > end) return new Response(null, { status: 416, headers: { "Content-Range": `bytes */${blob.size}` } });
  const headers = new Headers(response.headers);
  headers.set("Content-Range", `bytes ${start}-${end}/${blob.size}`);
  headers.set("Content-Length", String(end - start + 1));
  return new Response(blob.slice(start, end + 1), { status: 206, statusText: "Partial Content", headers });
}

/** WASM threads need these; a host that sends its own keeps them. */
function isolated(response: Response, more: Readonly<Record<string, string>> = {}): Response {
  if (response.type === "opaque" || response.type === "opaqueredirect" || response.type === "error") return response;
  const headers = new Headers(response.headers);
  const add = (name: string, value: string) => headers.has(name) || headers.set(name, value);
  add("Cross-Origin-Opener-Policy", "same-origin");
  add("Cross-Origin-Embedder-Policy", "require-corp");
  add("Cross-Origin-Resource-Policy", "same-origin");
  for (const [name, value] of Object.entries(more)) headers.set(name, value);
  const bodyless = response.status === 204 || response.status === 304;
  return new Response(bodyless ? null : response.body, { status: response.status, statusText: response.statusText, headers });
}
