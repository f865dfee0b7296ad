/** The one door to a basis: on the GPU where there is one, in memory where there is none; and what it will cost. */
import type { Gpu, Limits } from "../gpu/device.ts";
import { CpuBasis } from "./basis.cpu.ts";
import { GpuBasis } from "./basis.gpu.ts";
import { readColumns } from "./columns.ts";
import { layOut } from "./layout.ts";
import { uniformBytes } from "./materialise/materialise.ts";
import { slabBytes } from "./slabs.ts";
import { scratchElements, stagingElements } from "./slot/rounds.ts";
import type { Basis, DirectionSpec, Space } from "./types.ts";

/** `device`: the GPU the weights shall lie on; null or left out: the CPU twin. */
export function openBasis(space: Space, directions: readonly DirectionSpec[], options: { device?: Gpu | null } = {}): Basis {
  return options.device ? new GpuBasis(options.device, space, directions) : new CpuBasis(space, directions);
}

/** What WebGPU promises everywhere: layouts are estimated with it when no device is given. */
const DEFAULT_LIMITS: Limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27, minUniformBufferOffsetAlignment: 256 };

/** GPU bytes of a basis with one slot, all staging included, before anything is made: a run that cannot fit is refused. */
export function bytesNeeded(space: Space, directions: readonly DirectionSpec[], bind: "gpu" | "cpu", limits: Limits = DEFAULT_LIMITS): number {
  const columns = readColumns(directions);
  const layout = layOut(space, columns, limits);
  const basis = layout.slabs.reduce((sum, slab) => sum + slabBytes(slab, columns, space), 0);
  const step = uniformBytes(columns, limits.minUniformBufferOffsetAlignment);
  const slot =
    bind === "gpu"
      ? 4 * space.length + step * layout.pieces.length + Math.min(2 ** 24, Math.max(4096, space.length / 8))
      : 4 * (stagingElements(layout) + scratchElements(layout)) + step * (layout.pieces.length + Math.ceil(layout.elements / scratchElements(layout)));
  return basis + slot;
}

/** GPU bytes of a resident swarm, on top of the basis: x, v and the personal best of each particle. */
export function swarmBytesNeeded(space: Space, directions: readonly DirectionSpec[], particles: number, limits: Limits = DEFAULT_LIMITS): number {
  return 3 * particles * 4 * layOut(space, readColumns(directions), limits).elements;
}
