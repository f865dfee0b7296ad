/** Sign conflicts between directions, a tensor at a time. */
import type { Gpu } from "../../gpu/device.ts";
import { bind, dispatchFolded } from "../../gpu/dispatch.ts";
import { readWhole } from "../../gpu/readback.ts";
import type { Columns } from "../columns.ts";
import type { Layout } from "../layout.ts";
import lowRank from "../lowrank/lowrank.wgsl?raw";
import type { SlabBuffers } from "../slabs.ts";
import code from "./signs.wgsl?raw";

/** `[segments]`; `vectors`: columns of the first of the directions that are no masks. */
export async function countConflicts(gpu: Gpu, layout: Layout, slabs: readonly SlabBuffers[], columns: Columns, segments: number, vectors: readonly number[]): Promise<Float64Array> {
  const conflicts = new Float64Array(segments);
  const chosen = (list: readonly { column: number }[]) => list.filter(({ column }) => vectors.includes(column)).length;
  for (const [s, slab] of layout.slabs.entries()) {
    const buffers = slabs[s] as SlabBuffers;
    const { deltas, tiles, low } = buffers;
    if (!deltas && !low) continue; // no direction, no conflict
    const uniform = gpu.buffer("signs", 32, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const counts = gpu.buffer("conflicts", 4 * slab.tiles, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
    try {
      gpu.device.queue.writeBuffer(uniform, 0, Uint32Array.of(slab.tiles, slab.elements / 4, chosen(columns.dense), chosen(columns.low), segments, 0, 0, 0));
      const pipeline = gpu.pipeline("signs", variant(columns.precision === "f16", buffers));
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bind(gpu.device, pipeline, [uniform, deltas, tiles, counts, low?.factors ?? null, low?.table ?? null]));
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

/** As in `reduce.ts`: without task vectors, or without factors, their bindings and reads go. */
function variant(half: boolean, { deltas, low }: SlabBuffers): string {
  let text = code.replace("array<DELTA>", half ? "array<vec2<u32>>" : "array<vec4<f32>>").replace("LOAD(", half ? "unpack(" : "(");
  if (!deltas) text = text.replace(/@group\(0\) @binding\(1\)[^\n]*\n/, "").replace(/value = [^;]*deltas[^;]*;/, "value = vec4<f32>();");
  if (!low) return text.replace(/@group\(0\) @binding\([45]\)[^\n]*\n/g, "").replace("// LOWRANK\n", "").replace("LOW;", "vec4<f32>();");
  return text.replace("// LOWRANK\n", lowRank).replace("LOW;", "lowRank(places[(v - signs.vectors) * signs.segments + tile.z], tile.w + 4u * i);");
}
