/** Grids: one row holds at most 65,535 groups, so a long grid is folded into rows; kernels unfold it by `wid.x + wid.y * 65535`. */
export const GROUPS_A_ROW = 65_535;

/** The last row may hold groups past `groups`: kernels return there. */
export function fold(groups: number): [number, number] {
  return groups <= GROUPS_A_ROW ? [groups, 1] : [GROUPS_A_ROW, Math.ceil(groups / GROUPS_A_ROW)];
}

export function dispatchFolded(pass: GPUComputePassEncoder, groups: number): void {
  if (groups > 0) pass.dispatchWorkgroups(...fold(groups));
}

/** Resources in binding order; `null` leaves a number out (a kernel's variant without it). */
export function bind(
  device: GPUDevice, pipeline: GPUComputePipeline, resources: readonly (GPUBuffer | GPUBufferBinding | null)[], group = 0,
): GPUBindGroup {
  const entries = resources.flatMap((resource, binding): GPUBindGroupEntry[] =>
    resource === null ? [] : [{ binding, resource: "size" in resource && "usage" in resource ? { buffer: resource } : resource }],
  );
  return device.createBindGroup({ layout: pipeline.getBindGroupLayout(group), entries });
}
