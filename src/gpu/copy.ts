/** Copies by a kernel: what the memory of this device can do with a grid like ours. */
import code from "./copy.wgsl?raw";
import type { Gpu } from "./device.ts";
import { bind, dispatchFolded } from "./dispatch.ts";

/** Both buffers: the same size, a multiple of 16 bytes, STORAGE. */
export function encodeCopy(gpu: Gpu, pass: GPUComputePassEncoder, from: GPUBuffer, to: GPUBuffer): void {
  const pipeline = gpu.pipeline("copy", code);
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bind(gpu.device, pipeline, [from, to]));
  dispatchFolded(pass, Math.ceil(to.size / 4096));
}
