/** The policy that the code thread's script is served with: no network, no storage, scripts of this site only. Every server of ours sends it. */

/** Its own file, built (code.worker-<hash>.js) or in development (code.worker.ts). */
export const isCodeWorker = (pathname) => /(^|\/)code\.worker(-[\w-]+)?\.(js|ts)$/.test(pathname);

/** What such code may not do is all but run: connect-src falls back to default-src. */
export const codePolicy = { "Content-Security-Policy": "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'" };

/** For Vite's own servers. @returns {import("vite").Plugin} */
export function policy() {
  const send = (request, response, next) => {
    if (isCodeWorker(new URL(request.url ?? "/", "http://local").pathname)) for (const [name, value] of Object.entries(codePolicy)) response.setHeader(name, value);
    next();
  };
  return {
    name: "murmuration:policy",
    configureServer: ({ middlewares }) => void middlewares.use(send),
    configurePreviewServer: ({ middlewares }) => void middlewares.use(send),
  };
}
