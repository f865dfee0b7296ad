import { expect, test } from "vitest";
import { bind } from "../../src/gpu/dispatch.ts";
import { readWhole } from "../../src/gpu/readback.ts";
import { philox } from "../../src/lib/philox.ts";
import philoxCode from "../../src/lib/philox.wgsl?raw";
import { theGpu } from "./gpu.ts";

const code = `${philoxCode}
@group(0) @binding(0) var<storage, read> asked: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> answer: array<vec4<u32>>;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < arrayLength(&answer)) { answer[id.x] = philox(asked[2u * id.x], asked[2u * id.x + 1u].xy); }
}`;

test("Philox in WGSL gives the published answers, and the bits of TypeScript everywhere else", async () => {
  // Random123's three, then counters and keys that are their own answers: all halves of words get exercised.
  const asked: [number, number, number, number, number, number][] = [
    [0, 0, 0, 0, 0, 0],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0],
  ];
  for (let i = 0; i < 1000; i++) {
    const [a, b, c, d] = philox([i, 1, 2, 3], [4, 5]) as unknown as [number, number, number, number];
    asked.push([a, b, c, d, b, a]);
  }
  const gpu = await theGpu();
  const input = gpu.buffer("asked", 32 * asked.length, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
  const output = gpu.buffer("answer", 16 * asked.length, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  gpu.device.queue.writeBuffer(input, 0, Uint32Array.from(asked.flatMap((words) => [...words, 0, 0])));
  const pipeline = gpu.pipeline("philox", code);
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bind(gpu.device, pipeline, [input, output]));
  pass.dispatchWorkgroups(Math.ceil(asked.length / 64));
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
  const got = new Uint32Array(await readWhole(gpu, output));
  expect([...got.subarray(0, 4)]).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  asked.forEach(([a, b, c, d, k0, k1], i) => expect([...got.subarray(4 * i, 4 * i + 4)]).toEqual([...philox([a, b, c, d], [k0, k1])]));
  gpu.free(input);
  gpu.free(output);
});
