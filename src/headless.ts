/**
 * The page behind the command line: a lab without a view. Jobs come in as JSON, events go out as JSON, files go to the
 * local server in chunks (a streaming request body is refused over HTTP/1.1). Uses the library entry and nothing behind it.
 */
import { createLab, isLabError } from "./index.ts";
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

const chunkBytes = 16 * 2 ** 20;
let lab: ReturnType<typeof createLab> | null = null;
let handle: RunHandle | null = null;

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
  },

  /** Sends the files of a scored model (null: none) and predictions to `address`; answers what was sent. */
  files: (id: string | null, address: string) =>
    answered(async () => {
      if (!lab) throw new Error("Nothing was run yet.");
      const sent: { path: string; bytes: number; sha256: string }[] = [];
      for (const file of id === null ? [] : await lab.export(id)) {
        await send(address, file.path, file.bytes);
        sent.push({ path: file.path, bytes: file.bytes.byteLength, sha256: file.sha256 });
      }
      if (!sent.some(({ path }) => path === "predictions.jsonl")) {
        const bytes = new TextEncoder().encode(await lab.predictions());
        await send(address, "predictions.jsonl", bytes);
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

async function send(address: string, path: string, bytes: Uint8Array): Promise<void> {
  let offset = 0;
  do {
    const chunk = bytes.slice(offset, offset + chunkBytes);
    const answer = await fetch(`${address}?path=${encodeURIComponent(path)}&offset=${offset}`, { method: "POST", body: chunk });
    if (!answer.ok) throw new Error(`${path} could not be written: ${await answer.text()}`);
    offset += chunkBytes;
  } while (offset < bytes.byteLength);
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
