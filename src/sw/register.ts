/** Makes the site work offline, and isolated (WASM threads) on hosts that cannot send the headers: by one reload, never two. */

/** Set while a reload for isolation has been made in this tab. */
const reloaded = "murmuration:isolated-once";

/**
 * Call once the page is up; does nothing in development, without a secure context or in browsers without service workers.
 * `busy` is asked before the reload: a page in which a run has begun stays as it is until the next visit. `gpu`, when the page is idle: whether
 * models are scored on a GPU, which takes another build of the runtime.
 */
export async function registerServiceWorker({ busy = () => false, gpu = () => false }: { busy?: () => boolean; gpu?: () => boolean } = {}): Promise<void> {
  if (import.meta.env.DEV || !("serviceWorker" in navigator) || !globalThis.isSecureContext) return;
  const controlled = navigator.serviceWorker.controller !== null;
  try {
    const registration = await navigator.serviceWorker.register(new URL("sw.js", document.baseURI), { updateViaCache: "none" });
    const { active } = await navigator.serviceWorker.ready;
    if (controlled) void registration.update().catch(() => undefined); // offline
    if (reloadForIsolation(busy)) return;
    whenIdle(() => active?.postMessage(gpu() ? "keep-all-for-gpu" : "keep-all"));
  } catch {
    // A site without its service worker is whole, only not offline.
  }
}

function reloadForIsolation(busy: () => boolean): boolean {
  if (globalThis.crossOriginIsolated) {
    sessionStorage.removeItem(reloaded);
    return false;
  }
  if (busy() || sessionStorage.getItem(reloaded)) return false;
  sessionStorage.setItem(reloaded, "1");
  location.reload();
  return true;
}

function whenIdle(work: () => void): void {
  // Safari has no requestIdleCallback.
  if ("requestIdleCallback" in globalThis) requestIdleCallback(work, { timeout: 10_000 });
  else setTimeout(work, 3_000);
}
