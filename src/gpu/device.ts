/**
 * One GPUDevice with all the adapter offers (ORT is given the same device), its ledger of buffers, and what was
 * learnt when it was lost. Knows no stage.
 */
import { LabError } from "../lib/error.ts";
import { GpuLedger } from "./ledger.ts";

export interface AdapterFacts {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** True for a software adapter such as SwiftShader. */
  readonly isFallback: boolean;
}

export interface DeviceOptions {
  /** Limits below the adapter's, for tests of splitting: only our own cuts use them. */
  limits?: Partial<Limits>;
  /** Features beyond these are not asked for. Default: all the adapter has. */
  features?: readonly GPUFeatureName[];
  /** For tests of what another kind of adapter would run. */
  grain?: 1 | 2 | 4 | 8;
}

/** What our own buffers and cuts obey. */
export interface Limits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly minUniformBufferOffsetAlignment: number;
}

export class Gpu {
  readonly ledger = new GpuLedger();
  readonly whenLost: Promise<GPUDeviceLostInfo>;
  readonly device: GPUDevice;
  readonly adapter: AdapterFacts;
  readonly limits: Limits;
  /** vec4 a thread of element-wise kernels: neighbours read side by side on a GPU; in software a thread is a loop. */
  readonly grain: number;
  /** Told what the device finds wrong with a call of anybody's: the call did nothing, and nobody waits for the news. */
  onFault: ((message: string) => void) | null = null;
  #lost: GPUDeviceLostInfo | null = null;
  #allocations: Promise<LabError | null>[] = [];
  readonly #pipelines = new Map<string, GPUComputePipeline>();

  constructor(device: GPUDevice, adapter: AdapterFacts, limits: Limits, grain = adapter.isFallback ? 8 : 1) {
    this.device = device;
    this.adapter = adapter;
    this.limits = limits;
    this.grain = grain;
    this.whenLost = device.lost.then((info) => (this.#lost = info));
    device.addEventListener("uncapturederror", ({ error }) => this.onFault?.(error.message));
  }

  /** Guard every call into the runtime with it: `session.run()` after a loss never returns. */
  get lost(): boolean {
    return this.#lost !== null;
  }

  /** Counted, at least 4 bytes, a multiple of 4. What was refused comes out of `settled()`. */
  buffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(4, Math.ceil(bytes / 4) * 4); // WebGPU copies whole words only
    if (this.lost) throw this.lostError();
    if (size > this.limits.maxBufferSize) throw tooLarge(label, size, this.limits.maxBufferSize);
    this.device.pushErrorScope("out-of-memory");
    const buffer = this.device.createBuffer({ label, size, usage });
    const before = this.ledger.bytes;
    this.#allocations.push(
      this.device.popErrorScope().then((error) => (error ? outOfMemory(label, size, before) : null), () => null),
    );
    this.ledger.add(size);
    return buffer;
  }

  /** Once a buffer; its bytes are given back at once, without waiting for a collector. */
  free(buffer: GPUBuffer): void {
    this.ledger.remove(buffer.size);
    buffer.destroy();
  }

  /** Resolves when every buffer made so far really is there; rejects with "out-of-memory" or "device-lost". */
  async settled(): Promise<void> {
    const waiting = this.#allocations;
    if (waiting.length > 0) {
      this.#allocations = [];
      for (const error of await Promise.all(waiting)) if (error) throw error;
    }
    if (this.lost) throw this.lostError();
  }

  /** One pipeline a source text and entry point. */
  pipeline(label: string, code: string, entryPoint = "main", layout: GPUPipelineLayout | "auto" = "auto"): GPUComputePipeline {
    const key = `${entryPoint}\n${code}`;
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      const module = this.device.createShaderModule({ label, code });
      pipeline = this.device.createComputePipeline({ label, layout, compute: { module, entryPoint } });
      this.#pipelines.set(key, pipeline);
    }
    return pipeline;
  }

  /** Finished work, not merely submitted work. */
  async finished(): Promise<void> {
    await this.device.queue.onSubmittedWorkDone();
    if (this.lost) throw this.lostError();
  }

  lostError(cause?: unknown): LabError {
    const why = this.#lost?.message || this.#lost?.reason || "no reason was given";
    return new LabError("device-lost", `The GPU was lost (${why}). The run can go on from its last step on a new device.`, { cause });
  }

  destroy(): void {
    this.device.destroy();
  }
}

/** WebGPU in software. */
export function isFallback({ isFallbackAdapter, architecture }: GPUAdapterInfo): boolean {
  return isFallbackAdapter || architecture === "swiftshader";
}

/** How long a browser is given whose GPU process has just started, or started anew after a crash: until then it has no adapter. */
const SECOND_TRY_MS = 300;

async function anyAdapter(gpu: GPU): Promise<GPUAdapter | null> {
  const ask = () => gpu.requestAdapter({ powerPreference: "high-performance" });
  return (await ask()) ?? (await new Promise((resolve) => setTimeout(resolve, SECOND_TRY_MS)).then(ask));
}

/** Null when there is no WebGPU here: the CPU twins do the work then. */
export async function requestDevice(options: DeviceOptions = {}): Promise<Gpu | null> {
  if (typeof navigator === "undefined" || !navigator.gpu) return null;
  const adapter = await anyAdapter(navigator.gpu);
  if (!adapter) return null;
  const all: Record<string, number> = {};
  // Defaults are 128 MiB a binding and 8 storage buffers: ask for what the adapter has.
  for (const name in adapter.limits) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") all[name] = value;
  }
  const device = await adapter.requestDevice({
    requiredLimits: all,
    requiredFeatures: [...(options.features ?? (adapter.features as ReadonlySet<GPUFeatureName>))],
  });
  const { vendor, architecture, description } = adapter.info;
  const facts = { vendor, architecture, description, isFallback: isFallback(adapter.info) };
  const { maxBufferSize, maxStorageBufferBindingSize, minUniformBufferOffsetAlignment } = device.limits;
  return new Gpu(device, facts, {
    maxBufferSize,
    maxStorageBufferBindingSize,
    minUniformBufferOffsetAlignment,
    ...options.limits,
  }, options.grain);
}

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MiB`;

function tooLarge(label: string, bytes: number, limit: number): LabError {
  return new LabError(
    "out-of-memory",
    `${label} needs a GPU buffer of ${mib(bytes)}, but this device allows ${mib(limit)} a buffer. Score it on the CPU instead (backend wasm).`,
    { details: { label, bytes, limit } },
  );
}

function outOfMemory(label: string, bytes: number, alive: number): LabError {
  return new LabError(
    "out-of-memory",
    `The GPU refused ${mib(bytes)} for ${label}; ${mib(alive)} were in use already. Try f16 directions, fewer experts, or the subspace swarm.`,
    { details: { label, bytes, alive } },
  );
}
