/** One dispatch a particle and slab. The text of the kernel differs where each element draws its own factors. */
import type { Gpu } from "../../../gpu/device.ts";
import { bind, dispatchFolded } from "../../../gpu/dispatch.ts";
import { seedKey } from "../../../lib/philox.ts";
import philoxCode from "../../../lib/philox.wgsl?raw";
import type { MoveRule, Space } from "../../../space/types.ts";
import { moveFactors } from "./update.cpu.ts";
import code from "./update.wgsl?raw";

/** Bytes of `Move`, rounded up to its alignment. */
export const MOVE_BYTES = 48;

const byTensor = `let pair = table[rule.factors + tile.z];
  let a = vec4<f32>(pair.x);
  let b = vec4<f32>(pair.y);
  let i = tile.x + lane;
  let left = tile.y - min(tile.y, 4u * lane);
  if (left > 0u) { advance(i, a, b); }
  if (left > 256u) { advance(i + 64u, a, b); }
  if (left > 512u) { advance(i + 128u, a, b); }
  if (left > 768u) { advance(i + 192u, a, b); }`;

const byElement = `let geometry = table[tile.z];
  for (var i = lane; 4u * i < tile.y; i += 64u) {
    let index = place(geometry, tile.w + 4u * i);
    advance(tile.x + i, rule.cognitive * draw(0u, index), rule.social * draw(1u, index));
  }`;

export function updateCode(random: MoveRule["random"]): string {
  const element = random === "element";
  return philoxCode + code.replace("array<TABLE>", element ? "array<vec4<u32>>" : "array<vec2<f32>>").replace("MOVE\n", `${element ? byElement : byTensor}\n`);
}

/** `[particles × segments]` pairs, or where the elements of each segment lie. */
export function moveTable(rule: MoveRule, step: number, particles: number, space: Space): Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer> {
  if (rule.random === "element") {
    return Uint32Array.from(space.segments.flatMap(({ shape, transposed, start }) => [...(transposed ? (shape as [number, number]) : [0, 0]), start, 0]));
  }
  const table = new Float32Array(2 * particles * space.segments.length);
  for (let p = 0, at = 0; p < particles; p++) {
    for (const { index } of space.segments) {
      table.set(moveFactors(rule, step, p, index) ?? [], at);
      at += 2;
    }
  }
  return table;
}

export function moveWords(rule: MoveRule, step: number, particle: number, tiles: number, segments: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(MOVE_BYTES / 4);
  words.set([tiles, particle * segments, particle, step, ...seedKey(rule.seed)]);
  new Float32Array(words.buffer).set([rule.inertia, rule.cognitive, rule.social], 6);
  return words;
}

export interface MoveBuffers {
  readonly move: GPUBufferBinding;
  readonly x: GPUBuffer;
  readonly v: GPUBuffer;
  readonly pbest: GPUBuffer;
  readonly gbest: GPUBuffer;
  readonly tiles: GPUBuffer;
  readonly table: GPUBuffer;
  readonly spoilt: GPUBuffer;
}

export function encodeUpdate(gpu: Gpu, pass: GPUComputePassEncoder, random: MoveRule["random"], b: MoveBuffers, tiles: number): void {
  const pipeline = gpu.pipeline(`update ${random === "element" ? "by element" : "by tensor"}`, updateCode(random));
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bind(gpu.device, pipeline, [b.move, b.x, b.v, b.pbest, b.gbest, b.tiles, b.table, b.spoilt]));
  dispatchFolded(pass, tiles);
}
