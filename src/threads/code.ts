/** The code thread: generated Python in a place of its own, without network, page or storage. Types only. */

export interface CodeFiles {
  /** pyodide.asm.wasm, compiled. */
  readonly wasm: WebAssembly.Module;
  /** python_stdlib.zip */
  readonly library: ArrayBuffer;
  /** Address of pyodide.asm.mjs, on this site. */
  readonly script: string;
  /** Most that the interpreter's memory may grow to, itself included. */
  readonly memoryBytes: number;
  /** Its memory as it was right after an earlier start: the next one takes a tenth of the time. */
  readonly snapshot: ArrayBuffer | null;
}

export interface CodeVerdict {
  readonly passed: boolean;
  /** In a sentence, why not; "passed" where it did. */
  readonly reason: string;
  /** The interpreter cannot be used again. */
  readonly spoiled: boolean;
}

export interface CodeService {
  /** Starts Python, then takes from this thread what code could reach out with. Answers a snapshot where none was given. */
  open(files: CodeFiles): Promise<ArrayBuffer | null>;
  /** Runs `code`, then each of `tests` after it; all must run through. Nothing of it outlives the call. */
  run(code: string, tests: readonly string[]): Promise<CodeVerdict>;
}
