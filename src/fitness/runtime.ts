/**
 * onnxruntime-web behind one mutex. Overlapping create / run / release calls hang it or kill its heap,
 * and a run after the device was lost blocks the worker for ever: both are made impossible here.
 */
import * as ort from "onnxruntime-web/webgpu";
import bothMjs from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import bothWasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import plainMjs from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import plainWasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { LabError } from "../lib/error.ts";

export type Provider = "webgpu" | "wasm";
export type Feeds = Record<string, ort.Tensor>;

export interface RuntimeOptions {
  provider: Provider;
  /** WASM threads; 1 where the page is not isolated. Fixed before the first session. */
  threads: number;
  /** Needed for "webgpu": sessions and weights must share one device. */
  device?: GPUDevice;
}

const absolute = (url: string) => new URL(url, import.meta.url).href;
// The runtime otherwise fetches its WASM from a public CDN.
ort.env.wasm.wasmPaths = { wasm: absolute(bothWasm), mjs: absolute(bothMjs) };
ort.env.logLevel = "error";

export const runtimeVersion: string = ort.env.versions.web ?? ort.env.versions.common;

let queue: Promise<unknown> = Promise.resolve();
let inFlight = 0;

/** Calls made, time spent in them, and how many were ever in flight at once (must stay 1). */
export const runtimeMeter = { calls: 0, ms: 0, inFlightPeak: 0 };

/** One runtime call at a time, whoever asks. */
function exclusive<T>(call: () => Promise<T>): Promise<T> {
  const result = queue.then(async () => {
    inFlight += 1;
    runtimeMeter.inFlightPeak = Math.max(runtimeMeter.inFlightPeak, inFlight);
    const begin = performance.now();
    try {
      return await call();
    } finally {
      runtimeMeter.calls += 1;
      runtimeMeter.ms += performance.now() - begin;
      inFlight -= 1;
    }
  });
  queue = result.catch(() => undefined);
  return result;
}

/** y = x, for one number: the smallest graph there is. */
const IDENTITY = Uint8Array.from([
  ...[8, 8, 58, 55], ...[10, 16, 10, 1, 120, 18, 1, 121, 34, 8, ...new TextEncoder().encode("Identity")], ...[18, 1, 103],
  ...[90, 15, 10, 1, 120, 18, 10, 10, 8, 8, 1, 18, 4, 10, 2, 8, 1], ...[98, 15, 10, 1, 121, 18, 10, 10, 8, 8, 1, 18, 4, 10, 2, 8, 1], ...[66, 2, 16, 17],
]);

/** Which build was loaded, by the first session; it stays for as long as the worker. */
let build: "plain" | "both" | null = null;

/** Whether a session may be made on a GPU here: not once the runtime without WebGPU was loaded. */
export const takesGpu = (): boolean => build !== "plain";

export class Runtime {
  readonly provider: Provider;
  readonly threads: number;
  readonly #device: GPUDevice | undefined;
  #lost = false;

  constructor(options: RuntimeOptions) {
    this.provider = options.provider;
    this.threads = options.threads;
    this.#device = options.device;
    ort.env.wasm.numThreads = options.threads;
    void this.#device?.lost.then(() => (this.#lost = true));
  }

  /** Loads the runtime itself, for which the first session would wait. */
  async warmUp(): Promise<void> {
    await (await this.session(IDENTITY, "nothing")).release();
  }

  /** Loads a graph once; `bytes` are copied into the runtime. `kept`: outputs that stay on the GPU (caches of keys and values). */
  async session(bytes: Uint8Array, what: string, kept: readonly string[] = []): Promise<RuntimeSession> {
    this.#guard();
    const provider: ort.InferenceSession.ExecutionProviderConfig =
      this.provider === "webgpu" && this.#device ? { name: "webgpu", device: this.#device } : "wasm";
    // Where no GPU scores, half the bytes do to fetch and to compile.
    build ??= this.provider === "wasm" ? "plain" : "both";
    if (build === "plain") ort.env.wasm.wasmPaths = { wasm: absolute(plainWasm), mjs: absolute(plainMjs) };
    try {
      const session = await exclusive(() =>
        ort.InferenceSession.create(bytes, {
          executionProviders: [provider],
          // Capturing the graph would replay stale weights; see docs/architecture.md.
          enableGraphCapture: false,
          graphOptimizationLevel: "all",
          ...(this.provider === "webgpu" && kept.length > 0 ? { preferredOutputLocation: Object.fromEntries(kept.map((name) => [name, "gpu-buffer" as const])) } : {}),
          // Threads that spin while they wait starve each other as soon as a core is busy with anything else (the page,
          // a software GPU): 1.9 ms an image against 0.5 on two cores. Waiting asleep costs nothing measurable when idle.
          extra: { session: { intra_op: { allow_spinning: "0" } } },
        }),
      );
      return new RuntimeSession(session, () => this.#guard());
    } catch (cause) {
      if (this.#lost) throw lost(cause);
      throw new LabError("unsupported-onnx", `The runtime does not take the graph of ${what}: ${words(cause)}`, { cause });
    }
  }

  #guard(): void {
    if (this.#lost && this.provider === "webgpu") throw lost();
  }
}

export class RuntimeSession {
  readonly #session: ort.InferenceSession;
  readonly #guard: () => void;

  constructor(session: ort.InferenceSession, guard: () => void) {
    this.#session = session;
    this.#guard = guard;
  }

  get inputNames(): readonly string[] {
    return this.#session.inputNames;
  }

  get outputNames(): readonly string[] {
    return this.#session.outputNames;
  }

  /** Names, types and shapes of inputs, weights among them. */
  get inputMetadata(): ort.InferenceSession["inputMetadata"] {
    return this.#session.inputMetadata;
  }

  /** Outputs named in `fetches` (all when left out), on the CPU. */
  run(feeds: Feeds, fetches?: readonly string[]): Promise<Record<string, ort.Tensor>> {
    return exclusive(async () => {
      this.#guard();
      try {
        const outputs = fetches ? await this.#session.run(feeds, fetches) : await this.#session.run(feeds);
        return outputs as Record<string, ort.Tensor>;
      } catch (cause) {
        this.#guard();
        throw new LabError("run-failed", `The runtime stopped while scoring: ${words(cause)}`, { cause });
      }
    });
  }

  async release(): Promise<void> {
    await exclusive(() => this.#session.release());
  }
}

/** A tensor over an array that stays the caller's: writing to the array changes the next run (WASM copies it per run). */
export function cpuTensor(data: Float32Array, shape: readonly number[]): ort.Tensor {
  return new ort.Tensor("float32", data, [...shape]);
}

/** Token numbers and masks. */
export function idTensor(data: BigInt64Array, shape: readonly number[]): ort.Tensor {
  return new ort.Tensor("int64", data, [...shape]);
}

/** A tensor over a whole GPU buffer. A buffer that is too small gives wrong numbers and no error, so its size is checked. */
export function gpuTensor(buffer: GPUBuffer, shape: readonly number[]): ort.Tensor {
  const bytes = 4 * shape.reduce((product, size) => product * size, 1);
  if (buffer.size < bytes) {
    throw new LabError("internal", `A weight buffer of ${buffer.size} bytes is fed where ${bytes} are needed.`);
  }
  return ort.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: [...shape] });
}

function lost(cause?: unknown): LabError {
  return new LabError("device-lost", "The GPU was lost.", { cause });
}

function words(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
