/** Runs generated code in the code thread, one answer at a time. What does not end in time ends with its thread; the next answer gets a new one. */
import * as Comlink from "comlink";
import scriptUrl from "pyodide/pyodide.asm.mjs?url";
import wasmUrl from "pyodide/pyodide.asm.wasm?url";
import libraryUrl from "pyodide/python_stdlib.zip?url";
import { LabError } from "../../lib/error.ts";
import type { CodeFiles, CodeService, CodeVerdict } from "../../threads/code.ts";
import "../../threads/wire.ts";

export interface CodeLimits {
  /** For one answer, its tests included. */
  readonly ms: number;
  readonly memoryBytes: number;
}

export const LIMITS: CodeLimits = { ms: 5000, memoryBytes: 256 << 20 };
/** Python starts in a second or two; on a machine that is busy it takes longer. */
const START_MS = 120_000;

interface Thread {
  readonly worker: Worker;
  readonly service: Comlink.Remote<CodeService>;
  /** Rejects when the worker itself dies (its memory, say). */
  readonly died: Promise<never>;
}

export class CodeRunner {
  readonly #limits: CodeLimits;
  #files: Promise<Omit<CodeFiles, "snapshot">> | null = null;
  #snapshot: ArrayBuffer | null = null;
  #thread: Promise<Thread> | null = null;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(limits: Partial<CodeLimits> = {}) {
    this.#limits = { ...LIMITS, ...limits };
  }

  run(code: string, tests: readonly string[]): Promise<Omit<CodeVerdict, "spoiled">> {
    const result = this.#queue.then(() => this.#runOne(code, tests));
    this.#queue = result.catch(() => undefined);
    return result;
  }

  close(): void {
    void this.#thread?.then(({ worker }) => worker.terminate()).catch(() => undefined);
    this.#thread = null;
  }

  async #runOne(code: string, tests: readonly string[]): Promise<Omit<CodeVerdict, "spoiled">> {
    const { service, died } = await this.#started();
    const { ms } = this.#limits;
    const late = after(ms, { passed: false, reason: `It does not end within ${ms / 1000} s`, spoiled: true });
    const dead = died.catch(() => ({ passed: false, reason: "It brings its thread down", spoiled: true }));
    const { passed, reason, spoiled } = await Promise.race([service.run(code, tests), late.promise, dead]);
    late.clear();
    if (spoiled) this.close();
    return { passed, reason };
  }

  #started(): Promise<Thread> {
    this.#thread ??= this.#start();
    this.#thread.catch(() => (this.#thread = null));
    return this.#thread;
  }

  async #start(): Promise<Thread> {
    const files = await (this.#files ??= load(this.#limits.memoryBytes));
    const worker = new Worker(new URL("../../../workers/code.worker.ts", import.meta.url), { type: "module", name: "code" });
    const died = new Promise<never>((_, reject) => {
      worker.addEventListener("error", (event) => {
        event.preventDefault();
        reject(new LabError("run-failed", `The thread for generated code could not be started (${event.message || "no reason given"}). Reload the page and try again.`));
      });
    });
    died.catch(() => undefined);
    const service = Comlink.wrap<CodeService>(worker);
    const late = after(START_MS, null);
    const opened = await Promise.race([service.open({ ...files, snapshot: this.#snapshot }).then((made) => ({ made })), died, late.promise]).catch((error: unknown) => {
      worker.terminate();
      throw error;
    });
    late.clear();
    if (opened === null) {
      worker.terminate();
      throw new LabError("run-failed", "Python for generated code did not start within two minutes. Close other programs and try again.");
    }
    this.#snapshot ??= opened.made;
    return { worker, service, died };
  }
}

/** Compiled once; every thread gets the same. */
async function load(memoryBytes: number): Promise<Omit<CodeFiles, "snapshot">> {
  const at = (url: string) => new URL(url, import.meta.url).href;
  const get = async (url: string, name: string) => {
    const response = await fetch(at(url)).catch(() => null);
    if (!response?.ok) throw new LabError("offline", `${name} could not be read from this site, which running generated code needs. Check the connection and try again.`, { details: { file: name, status: response?.status } });
    return response.arrayBuffer();
  };
  const [wasm, library] = await Promise.all([get(wasmUrl, "pyodide.asm.wasm").then((bytes) => WebAssembly.compile(bytes)), get(libraryUrl, "python_stdlib.zip")]);
  return { wasm, library, script: at(scriptUrl), memoryBytes };
}

function after<T>(ms: number, value: T): { promise: Promise<T>; clear(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return { promise: new Promise((resolve) => (timer = setTimeout(resolve, ms, value))), clear: () => clearTimeout(timer) };
}

let runner: CodeRunner | null = null;

/** One for this thread, started when code is first run. */
export const codeRunner = (): CodeRunner => (runner ??= new CodeRunner());
