/**
 * What a run has to work with: a GPU for kernels or none, and the runtime's provider.
 * A fixed rule, never a stopwatch: a real adapter scores on webgpu; a fallback adapter, or none, on wasm.
 */
import { version } from "../../package.json";
import { requestDevice, type Gpu } from "../gpu/device.ts";
import { Runtime, runtimeVersion, takesGpu, type Provider } from "../fitness/runtime.ts";
import { LabError } from "../lib/error.ts";
import type { DeviceInfo } from "../threads/events.ts";
import type { EngineOptions } from "../threads/merge.ts";

export interface Equipment {
  readonly gpu: Gpu | null;
  readonly runtime: Runtime;
  readonly info: DeviceInfo;
}

export async function equip(options: EngineOptions, lossesSoFar: number): Promise<Equipment> {
  const gaveUp = lossesSoFar >= 2;
  const wanted = gaveUp || options.kernels === "cpu" ? null : await requestDevice();
  if (!wanted && options.backend === "webgpu" && !gaveUp) {
    throw new LabError("no-webgpu", "This browser gives no WebGPU adapter. Take the backend auto or wasm, or a browser with WebGPU switched on.");
  }
  const provider = providerFor(options.backend, wanted);
  const threads = provider === "wasm" ? wasmThreads(options.threads) : 1;
  const runtime = new Runtime({ provider, threads, ...(wanted && provider === "webgpu" ? { device: wanted.device } : {}) });
  return { gpu: wanted, runtime, info: describe(wanted, provider, threads) };
}

function providerFor(backend: EngineOptions["backend"], gpu: Gpu | null): Provider {
  if (!gpu || backend === "wasm" || !takesGpu()) return "wasm";
  if (backend === "webgpu") return "webgpu";
  return gpu.adapter.isFallback ? "wasm" : "webgpu";
}

/** Threads need an isolated page; more than eight do not help models of this size. */
function wasmThreads(asked: number | undefined): number {
  if (!globalThis.crossOriginIsolated) return 1;
  return Math.max(1, Math.min(asked ?? navigator.hardwareConcurrency ?? 1, 8));
}

function describe(gpu: Gpu | null, runtime: Provider, threads: number): DeviceInfo {
  const { vendor = "", architecture = "", description = "" } = gpu?.adapter ?? {};
  return {
    adapter: gpu ? description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter" : "none",
    architecture,
    kernels: gpu ? "webgpu" : "cpu",
    runtime,
    isFallback: gpu?.adapter.isFallback ?? true,
    threads,
    browser: navigator.userAgent.match(/(?:Chrome|Firefox|Version)\/[\d.]+/)?.[0] ?? navigator.userAgent,
    versions: { murmuration: version, onnxruntime: runtimeVersion },
  };
}
