/** Python (Pyodide) behind a locked door: the service of the code thread. */
import { transfer } from "comlink";
import { loadPyodide, type PyodideInterface } from "pyodide";
import { info } from "pyodide/pyodide-lock.json";
import { LabError } from "../../lib/error.ts";
import type { CodeFiles, CodeService, CodeVerdict } from "../../threads/code.ts";
import { HARNESS, IMPORTS } from "./harness.ts";
import { capMemory, expectPolicy, takeAway } from "./lockdown.ts";

type Judge = (code: string, tests: readonly string[]) => string | null | undefined;

export class Sandbox implements CodeService {
  #judge: Judge | null = null;

  async open({ wasm, library, script, memoryBytes, snapshot }: CodeFiles): Promise<ArrayBuffer | null> {
    expectPolicy();
    const { default: createPyodideModule } = (await import(/* @vite-ignore */ script)) as { default: NonNullable<Parameters<typeof loadPyodide>[0]>["createPyodideModule"] };
    const python = await withFiles(wasm, library, () =>
      loadPyodide({
        ...(createPyodideModule && { createPyodideModule }),
        indexURL: new URL(".", script).href,
        lockFileContents: { info, packages: {} } as never, // no package is ever loaded
        packageBaseUrl: new URL(".", script).href,
        jsglobals: Object.create(null) as object,
        stdin: () => null,
        stdout: () => undefined,
        stderr: () => undefined,
        env: { HOME: "/tmp", PYTHONHASHSEED: "0" }, // sets have an order that repeats
        ...(snapshot ? { _loadSnapshot: snapshot } : { _makeSnapshot: true }),
      }),
    );
    if (!snapshot) python.runPython(IMPORTS);
    const made = snapshot ? null : (python as unknown as { makeMemorySnapshot(): Uint8Array<ArrayBuffer> }).makeMemorySnapshot().buffer;
    this.#judge = judgeOf(python);
    this.#judge("", []); // what it imports itself is there from now on
    takeAway();
    capMemory(memoryBytes);
    return made && transfer(made, [made]);
  }

  async run(code: string, tests: readonly string[]): Promise<CodeVerdict> {
    if (!this.#judge) throw new LabError("internal", "Python was asked before it was started.");
    try {
      const reason = this.#judge(code, tests);
      return { passed: reason === null || reason === undefined, reason: reason ?? "passed", spoiled: false };
    } catch (error) {
      // Not an exception of Python's, which the harness tells: the interpreter itself came to an end.
      const what = /maximum call stack|stack overflow/i.test(String(error)) ? "It calls itself too deep" : /memory/i.test(String(error)) ? "It wants more memory than it may have" : "It brings the interpreter down";
      return { passed: false, reason: what, spoiled: true };
    }
  }
}

/** Lends Python's start its files, in place of the network it would take them from. */
async function withFiles<T>(wasm: WebAssembly.Module, library: ArrayBuffer, work: () => Promise<T>): Promise<T> {
  const { instantiateStreaming } = WebAssembly;
  const { fetch } = globalThis;
  globalThis.fetch = () => Promise.resolve(new Response(library.slice(0)));
  WebAssembly.instantiateStreaming = async (_, imports) => ({ module: wasm, instance: await WebAssembly.instantiate(wasm, imports) });
  try {
    return await work();
  } finally {
    globalThis.fetch = fetch;
    WebAssembly.instantiateStreaming = instantiateStreaming;
  }
}

function judgeOf(python: PyodideInterface): Judge {
  const judge = python.runPython(HARNESS, { globals: python.toPy({ __name__: "harness" }) as never }) as Judge & { callKwargs?: unknown };
  return (code, tests) => judge(code, python.toPy(tests) as never);
}
