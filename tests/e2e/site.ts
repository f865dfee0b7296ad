/** What end-to-end tests share: the built site served anew, a browser with WebGPU in software, pages that must not fail quietly. */
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright";
import { afterAll, afterEach } from "vitest";
import { launch } from "../../tools/browser.mjs";
import { serve } from "../../tools/serve.mjs";

export type Served = Awaited<ReturnType<typeof serve>>;

export const dist = (): string => {
  const folder = process.env.MURMURATION_DIST;
  if (!folder) throw new Error("Run end-to-end tests by `npm test` or `npx vitest run --project e2e`: they need the built site.");
  return folder;
};

type ServeOptions = Partial<Parameters<typeof serve>[0]>;

const browsers = new Map<string, Promise<Browser>>();
const toClose: (() => Promise<unknown>)[] = [];

/** Serves the built site until the test ends. */
export async function site(options: ServeOptions = {}): Promise<Served> {
  const served = await serve({ root: dist(), ...options });
  toClose.push(() => served.close());
  return served;
}

/** One browser a set of flags and test file. */
export function browser(options: { without?: string[]; args?: string[] } = {}): Promise<Browser> {
  const key = JSON.stringify(options);
  let running = browsers.get(key);
  if (!running) browsers.set(key, (running = launch(options)));
  return running;
}

/** A browser of its own, for tests that break it. */
export async function ownBrowser(options: { without?: string[]; args?: string[] } = {}): Promise<Browser> {
  const own = await launch(options);
  toClose.push(() => own.close());
  return own;
}

export interface Visit {
  page: Page;
  context: BrowserContext;
  /** Errors of the page so far: uncaught ones and console.error. */
  errors: string[];
  /** Every address the page, its workers and its service worker asked for. */
  requests: string[];
  /** Those without the service worker's, which keeps the whole site for offline use whatever the page does. */
  asked: string[];
}

/** A fresh profile on `url`; closed when the test ends. */
export async function visit(url: string | null, options: BrowserContextOptions & { browser?: Browser } = {}): Promise<Visit> {
  const { browser: own, ...contextOptions } = options;
  const context = await (own ?? (await browser())).newContext(contextOptions);
  toClose.push(() => context.close());
  const errors: string[] = [];
  const requests: string[] = [];
  const asked: string[] = [];
  context.on("request", (request) => {
    requests.push(request.url());
    if (!request.serviceWorker()) asked.push(request.url());
  });
  context.on("weberror", (error) => errors.push(String(error.error())));
  context.on("console", (message) => {
    if (message.type() === "error") errors.push(message.text());
  });
  const page = await context.newPage();
  if (url) await page.goto(url);
  return { page, context, errors, requests, asked };
}

/** Waits for something to be true of a page, across reloads. The site's policy forbids `eval`, and so `waitForFunction`. */
export async function until(page: Page, what: () => unknown, timeoutMs = 60_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await page.evaluate(what).catch(() => false))) {
    if (performance.now() > end) throw new Error(`For ${timeoutMs / 1000} s this was not true of the page: ${String(what)}`);
    await page.waitForTimeout(100);
  }
}

afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close().catch(() => undefined);
});
afterAll(async () => {
  for (const running of browsers.values()) await (await running).close();
  browsers.clear();
});
