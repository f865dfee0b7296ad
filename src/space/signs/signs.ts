/** Sign conflicts between the first dense directions, a tensor at a time. */
import type { Gpu } from "../../gpu/device.ts";
import { bind, dispatchFolded } from "../../gpu/dispatch.ts";
import { readWhole } from "../../gpu/readback.ts";
import type { Columns } from "../columns.ts";
import type { Layout } from "../layout.ts";
import type { SlabBuffers } from "../slabs.ts";
import code from "./signs.wgsl?raw";

/** `[segments]`; `vectors`: how many of the dense directions, from the first. */
export async function countConflicts(gpu: Gpu, layout: Layout, slabs: readonly SlabBuffers[], columns: Columns, segments: number, vectors: number): Promise<Float64Array> {
  const conflicts = new Float64Array(segments);
  const text = code.replace("array<DELTA>", columns.precision === "f16" ? "array<vec2<u32>>" : "array<vec4<f32>>").replace("LOAD(", columns.precision === "f16" ? "unpack(" : "(");
  for (const [s, slab] of layout.slabs.entries()) {
    const { deltas, tiles } = slabs[s] as SlabBuffers;
    if (!deltas) continue; // no direction, no conflict
    const uniform = gpu.buffer("signs", 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const counts = gpu.buffer("conflicts", 4 * slab.tiles, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    try {
      gpu.device.queue.writeBuffer(uniform, 0, Uint32Array.of(slab.tiles, slab.elements / 4, vectors, 0));
      const pipeline = gpu.pipeline("signs", text);
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bind(gpu.device, pipeline, [uniform, deltas, tiles, counts]));
      dispatchFolded(pass, slab.tiles);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      const found = new Uint32Array(await readWhole(gpu, counts));
      for (const piece of slab.pieces) {
        for (const count of found.subarray(piece.firstTile, piece.firstTile + piece.tiles)) conflicts[piece.segment] = (conflicts[piece.segment] as number) + count;
      }
    } finally {
      gpu.free(uniform);
      gpu.free(counts);
    }
  }
  return conflicts;
}
