/** The device of a test file: made once, its adapter printed once. No adapter is a failure, never a skip. */
import { expect } from "vitest";
import { type DeviceOptions, type Gpu, requestDevice } from "../../src/gpu/device.ts";
import { openBasis } from "../../src/space/basis.ts";
import type { Basis, DirectionSpec, Space } from "../../src/space/types.ts";

let shared: Promise<Gpu> | null = null;

export async function gpuWith(options: DeviceOptions = {}): Promise<Gpu> {
  const gpu = await requestDevice(options);
  expect(gpu, "requestAdapter() gave null: start Chromium with --enable-unsafe-webgpu").not.toBeNull();
  const found = gpu as Gpu; // just checked
  found.device.addEventListener("uncapturederror", ({ error }) => {
    throw error; // a validation error is a failed test, not a line in a console
  });
  return found;
}

export function theGpu(): Promise<Gpu> {
  shared ??= gpuWith().then((gpu) => {
    console.info(`adapter: ${gpu.adapter.vendor} ${gpu.adapter.architecture}${gpu.adapter.isFallback ? " (software)" : ""}`);
    return gpu;
  });
  return shared;
}

export async function filled(space: Space, specs: readonly DirectionSpec[], models: readonly Float32Array[][], gpu: Gpu | null): Promise<Basis> {
  const basis = openBasis(space, specs, { device: gpu });
  for (const { index } of space.segments) {
    basis.put(index, models[0]?.[index] as Float32Array, models.slice(1).map((model) => model[index] as Float32Array));
  }
  await basis.seal();
  return basis;
}
