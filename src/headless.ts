/**
 * The page behind the command line: a lab without a view. Jobs come in as JSON, events go out as JSON, files go to the
 * local server in chunks (a streaming request body is refused over HTTP/1.1). Uses the library entry and nothing behind it.
 */
import { createLab, isLabError, parseRecipe } from "./index.ts";
import type { Journal, LabEvent, LabOptions, RecipeInput, Report, RunHandle } from "./index.ts";

export interface Job {
  recipe: RecipeInput;
  options: LabOptions;
  journal?: Journal;
  mode?: "run" | "verify";
  only?: string[];
  /** For gated and private repositories; never in a recipe or report. */
  token?: string;
}

export interface Failure {
  ok: false;
  code: string;
  message: string;
  details?: unknown;
}

declare global {
  interface Window {
    headless: typeof headless;
    /** Given by the command line: hears every event, as JSON. */
    murmurationEvent?: (json: string) => Promise<void>;
  }
}

/** As `Job`, of a recipe without tasks. `places`: files in the page's input, by reference. */
export interface FolderJob {
  recipe: RecipeInput;
  options: LabOptions;
  order?: { shardBytes?: number; memoryBytes?: number };
  places: Record<string, { path: string; bytes: number; at: number; stored?: string }[]> | null;
  token?: string;
}

/** So much of a file tells it from others of its length. */
const startBytes = 4096;
const chunkBytes = 16 * 2 ** 20;
let lab: ReturnType<typeof createLab> | null = null;
let handle: RunHandle | null = null;
let folders: AbortController | null = null;
let merged = new Map<string, Blob>();

const headless = {
  /** Runs a job to its report. */
  run: (job: Job) =>
    answered(async (): Promise<Report> => {
      lab = createLab(job.options);
      const { journal, mode, only, token } = job;
      if (token) await lab.setToken(token);
      handle = lab.start(job.recipe, { ...(journal && { journal }), ...(mode && { mode }), ...(only && { only }), onEvent: tell });
      return handle.done;
    }),

  cancel(): void {
    handle?.cancel();
    folders?.abort();
  },

  /** Makes files in the origin's file system, each holding its own name, for the command line to put inputs in their place. */
  reserve: (count: number) =>
    answered(async () => {
      const root = await navigator.storage.getDirectory();
      return Promise.all(
        Array.from({ length: count }, async (_, i) => {
          const name = `input-${i}-${crypto.randomUUID()}`;
          const stream = await (await root.getFileHandle(name, { create: true })).createWritable();
          await stream.write(name);
          await stream.close();
          return name;
        }),
      );
    }),

  /** What is known of a recipe's models from headers alone. */
  look: ({ recipe, options, token }: Job) =>
    answered(async () => {
      lab = createLab(options);
      if (token) await lab.setToken(token);
      const { base, experts } = parseRecipe(recipe);
      return lab.preflight({ base: base.model, experts: experts.map(({ model }) => model) });
    }),

  /** What a merge of folders would read, write and hold. */
  planFolders: (job: FolderJob) => answered(async () => (await opened(job)).planFolders(job.recipe)),

  /** Merges folders into the origin's file system. Digests are computed by who takes the files from there. */
  mergeFolders: (job: FolderJob) =>
    answered(async () => {
      folders = new AbortController();
      const { report, files } = await (await opened(job)).mergeFolders(job.recipe, { ...job.order, signal: folders.signal, digests: false, onEvent: tell });
      merged = new Map(files.flatMap(({ path, blob }) => (blob ? [[path, blob]] : [])));
      const alone = await forgetDownloads(job.options.storage ?? "murmuration");
      return { report, files: await Promise.all(files.map(async ({ path, bytes, blob }) => ({ path, bytes, start: blob && alone ? await startOf(blob) : null }))) };
    }),

  /** Sends files of the last merge of folders to `address`. */
  sendFolder: (paths: readonly string[], address: string) =>
    answered(async () => {
      for (const path of paths) await send(address, path, merged.get(path) ?? new Blob());
    }),

  /** Sends the files of a scored model (null: none) and predictions to `address`; answers what was sent. */
  files: (id: string | null, address: string, safetensors = false) =>
    answered(async () => {
      if (!lab) throw new Error("Nothing was run yet.");
      const sent: { path: string; bytes: number; sha256: string }[] = [];
      for (const file of id === null ? [] : await lab.export(id, safetensors)) {
        await send(address, file.path, new Blob([file.bytes as Uint8Array<ArrayBuffer>]));
        sent.push({ path: file.path, bytes: file.bytes.byteLength, sha256: file.sha256 });
      }
      if (!sent.some(({ path }) => path === "predictions.jsonl")) {
        const bytes = new TextEncoder().encode(await lab.predictions());
        await send(address, "predictions.jsonl", new Blob([bytes]));
        sent.push({ path: "predictions.jsonl", bytes: bytes.byteLength, sha256: await sha256(bytes) });
      }
      return sent;
    }),

  counts: () => answered(async () => (lab ? lab.counts() : null)),
};
window.headless = headless;

function tell(event: LabEvent): void {
  void window.murmurationEvent?.(JSON.stringify(event));
}

async function answered<T>(work: () => Promise<T>): Promise<{ ok: true; value: T } | Failure> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    if (isLabError(error)) return { ok: false, code: error.code, message: error.message, details: error.details };
    return { ok: false, code: "internal", message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

async function opened({ options, places, token }: FolderJob): Promise<ReturnType<typeof createLab>> {
  lab = createLab(options);
  if (token) await lab.setToken(token);
  const { files } = document.querySelector("#files") as HTMLInputElement;
  for (const [reference, listed] of Object.entries(places ?? {})) {
    await lab.mount(reference, listed.map(({ path, bytes, at, stored }) => ({ path, bytes, ...(files?.[at] ? { blob: files[at] } : {}), ...(stored === undefined ? {} : { stored }) })));
  }
  return lab;
}

/**
 * What was downloaded for a merge goes: it lies beside the outputs in the browser's profile, may be as long and begin alike, and the command
 * line tells files there by that. False: some is still held, so outputs have to be sent.
 */
async function forgetDownloads(storage: string): Promise<boolean> {
  await lab?.cache.clear();
  try {
    const kept = await (await navigator.storage.getDirectory()).getDirectoryHandle(`${storage}-hub`);
    for await (const _ of (kept as unknown as { keys(): AsyncIterable<string> }).keys()) return false;
  } catch {
    // There is no such folder.
  }
  return true;
}

/** Base64. */
async function startOf(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.slice(0, startBytes).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

async function send(address: string, path: string, file: Blob): Promise<void> {
  let offset = 0;
  do {
    const chunk = await file.slice(offset, offset + chunkBytes).arrayBuffer();
    const answer = await fetch(`${address}?path=${encodeURIComponent(path)}&offset=${offset}`, { method: "POST", body: chunk });
    if (!answer.ok) throw new Error(`${path} could not be written: ${await answer.text()}`);
    offset += chunkBytes;
  } while (offset < file.size);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
