/** Bits of one piece into its place of a mask buffer. */
import type { Gpu } from "../../../gpu/device.ts";
import { bind, dispatchFolded } from "../../../gpu/dispatch.ts";
import philoxCode from "../../../lib/philox.wgsl?raw";
import { seedKey } from "../../../lib/philox.ts";
import { keepBelow, maskName } from "../../../lib/rules.ts";
import type { MaskRule, Segment } from "../../types.ts";
import code from "./bernoulli.wgsl?raw";

/** `firstWord` in `masks`; `piece.offset` is a multiple of 1,024, so that a cut tensor gets the bits of a whole one. */
export function bernoulliWords(
  segment: Pick<Segment, "name" | "shape" | "transposed">, rule: MaskRule, piece: { offset: number; length: number }, firstWord: number,
): Uint32Array<ArrayBuffer> {
  const [rows, columns] = segment.transposed ? (segment.shape as [number, number]) : [0, 0];
  return Uint32Array.of(
    Math.ceil(piece.length / 32), firstWord, piece.length, piece.offset, rows, columns,
    ...maskName(rule.expert, segment.name), ...seedKey(rule.seed), keepBelow(rule.density), 0,
  );
}

/** `mask`: 48 bytes of uniforms as `bernoulliWords` gives them. */
export function encodeBernoulli(gpu: Gpu, pass: GPUComputePassEncoder, mask: GPUBufferBinding, masks: GPUBuffer, words: number): void {
  const pipeline = gpu.pipeline("bernoulli", philoxCode + code);
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bind(gpu.device, pipeline, [mask, masks]));
  dispatchFolded(pass, Math.ceil(words / 64));
}
