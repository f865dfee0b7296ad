/**
 * Figures of the kernels, measured in the browser: bandwidth against a copy kernel that moves the same bytes, and the peak
 * of GPU bytes against one model. Finished work is timed; repetitions of what is compared take turns; medians.
 */
import { encodeCopy } from "../../src/gpu/copy.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { openResidentSwarm } from "../../src/search/pso/resident.ts";
import { openBasis } from "../../src/space/basis.ts";
import type { GpuBasis } from "../../src/space/basis.gpu.ts";
import type { Basis, DirectionSpec, MoveRule, Space } from "../../src/space/types.ts";
import { directions, makeSpace } from "../kernels/sample.ts";
import { Stopwatch } from "./stopwatch.ts";

export interface BenchRow {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** Null: reported without one. */
  readonly goal: { readonly atLeast: number } | { readonly atMost: number } | null;
  readonly details: Readonly<Record<string, string | number>>;
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] as number;

/**
 * Milliseconds of each job: `rounds` times, one after the other, the first round to warm up. Where the adapter tells the time, that of the
 * passes themselves: to hand work over and to hear of its end takes a real card longer than most kernels do.
 */
export async function interleaved<K extends string>(gpu: Gpu, jobs: Record<K, () => void | Promise<unknown>>, rounds = 7): Promise<Record<K, number>> {
  const stopwatch = Stopwatch.of(gpu);
  const times = Object.fromEntries(Object.keys(jobs).map((name) => [name, []])) as unknown as Record<K, number[]>;
  for (let round = 0; round <= rounds; round++) {
    for (const name of Object.keys(jobs) as K[]) {
      await gpu.finished();
      stopwatch?.start();
      const start = performance.now();
      await jobs[name]();
      await gpu.finished();
      const ms = performance.now() - start;
      if (round > 0) times[name].push((await stopwatch?.stop()) ?? ms);
    }
  }
  stopwatch?.destroy();
  return Object.fromEntries(Object.entries<number[]>(times).map(([name, ms]) => [name, median(ms)])) as Record<K, number>;
}

const noise = (n: number, seed: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 0.37 + seed));

async function fill(basis: Basis): Promise<void> {
  const dense = basis.directions.filter((d) => d.kind === "dense").length;
  for (const { index, length } of basis.space.segments) {
    const base = noise(length, index);
    basis.put(index, base, Array.from({ length: dense }, () => base.map((w) => w * 1.01)));
  }
  await basis.seal();
}

function submit(gpu: Gpu, encode: (pass: GPUComputePassEncoder) => void): void {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
}

/** A copy kernel that moves `bytes` in all: half in, half out. */
export function copier(gpu: Gpu, bytes: number) {
  const size = Math.min(Math.ceil(bytes / 2 / 16) * 16, gpu.limits.maxStorageBufferBindingSize & ~15);
  const [from, to] = ["copy from", "copy to"].map((label) => gpu.buffer(label, size, GPUBufferUsage.STORAGE)) as [GPUBuffer, GPUBuffer];
  return {
    bytes: 2 * size,
    run: () => submit(gpu, (pass) => encodeCopy(gpu, pass, from, to)),
    free: () => [from, to].forEach((buffer) => gpu.free(buffer)),
  };
}

/** Bytes a second of a job over those of a copy of as many bytes. */
export function bandwidthRow(name: string, bytes: number, ms: number, copyBytes: number, copyMs: number, goal: BenchRow["goal"]): BenchRow {
  const gbs = (b: number, t: number) => b / t / 1e6;
  const details = { gigabytesPerSecond: gbs(bytes, ms), copyGigabytesPerSecond: gbs(copyBytes, copyMs), ms, copyMs, bytes };
  return { name, value: gbs(bytes, ms) / gbs(copyBytes, copyMs), unit: "× copy bandwidth", goal, details };
}

/** 16 M elements in 64 square matrices, half of them transposed. */
export const largeSpace = () => makeSpace(Array.from({ length: 64 }, (_, i) => ({ shape: [512, 512], transposed: i % 2 === 1 })));

export async function benchMaterialise(gpu: Gpu, space: Space = largeSpace(), experts = 4): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const precision of ["f32", "f16"] as const) {
    for (const masked of [false, true]) {
      const specs = directions(experts, precision).filter((d) => masked || d.kind !== "masked");
      const basis = openBasis(space, specs, { device: gpu }) as GpuBasis;
      await fill(basis);
      const slot = basis.openSlot("gpu");
      const c = new Float64Array(specs.length).fill(0.2);
      // Read: base, directions, bits; written: weights.
      const bytes = space.length * (4 + experts * (precision === "f32" ? 4 : 2) + (masked ? experts / 8 : 0) + 4);
      const copy = copier(gpu, bytes);
      const { job, yard } = await interleaved(gpu, { yard: copy.run, job: () => slot.materialise(c) });
      rows.push(bandwidthRow(`materialise, ${experts} ${precision} directions${masked ? ` and ${experts} masks` : ""}`, bytes, job, copy.bytes, yard, { atLeast: 0.8 }));
      copy.free();
      slot.destroy();
      basis.destroy();
    }
  }
  return rows;
}

export async function benchUpdate(gpu: Gpu, space: Space = largeSpace(), particles = 2): Promise<BenchRow[]> {
  // A hash an element is fifteen times the work in software: an eighth of the tensors says as much.
  const part = makeSpace(space.segments.slice(0, Math.max(1, space.segments.length >> 3)).map(({ shape, transposed }) => ({ shape: [...shape], transposed })));
  return [...(await benchMoves(gpu, space, particles, ["scalar", "tensor"])), ...(await benchMoves(gpu, part, particles, ["element"]))];
}

async function benchMoves(gpu: Gpu, space: Space, particles: number, randoms: readonly MoveRule["random"][]): Promise<BenchRow[]> {
  const basis = openBasis(space, directions(1), { device: gpu });
  await fill(basis);
  const swarm = openResidentSwarm(basis, particles);
  await swarm.start(Array.from({ length: particles }, (_, p) => Float64Array.of(1, p / particles, 0)));
  const rule = (random: MoveRule["random"]): MoveRule => ({ inertia: 0.2, cognitive: 0.1, social: 0.1, random, seed: 7 });
  const bytes = particles * space.length * 4 * 6; // read: x, v, pbest, gbest; written: x, v
  const copy = copier(gpu, bytes);
  let step = 1;
  const moves = Object.fromEntries(randoms.map((random) => [random, () => swarm.move(step++, 0, rule(random))]));
  const ms = await interleaved(gpu, { yard: copy.run, ...moves }, 5);
  copy.free();
  swarm.destroy();
  basis.destroy();
  return randoms.map((random) => {
    const goal = random === "element" ? null : { atLeast: 0.8 };
    const time = (ms as Record<string, number>)[random] as number; // each was timed
    return bandwidthRow(`PSO update, a random number a ${random}`, bytes, time, copy.bytes, ms.yard, goal);
  });
}

/** As many tensors and elements as a small ViT: four linears, their biases and two norms a block. */
export const smallSpace = () =>
  makeSpace(
    Array.from({ length: 8 }, () => [[64, 192], [192], [64, 64], [64], [64, 256], [256], [256, 64], [64], [64], [64], [64], [64]])
      .flat()
      .map((shape, i) => ({ shape, transposed: shape.length === 2 && i % 2 === 0 })),
  );

/** Time until a candidate can be scored, for a small model. */
export async function benchTurnaround(gpu: Gpu, space: Space = smallSpace()): Promise<BenchRow[]> {
  const specs = directions(4);
  const basis = openBasis(space, specs, { device: gpu });
  const twin = openBasis(space, specs);
  const start = performance.now();
  await fill(basis);
  const fillMs = performance.now() - start;
  await fill(twin);
  const slots = { gpu: basis.openSlot("gpu"), cpu: basis.openSlot("cpu"), twin: twin.openSlot("cpu") };
  const c = new Float64Array(specs.length).fill(0.2);
  const ms = await interleaved(gpu, {
    gpu: () => slots.gpu.materialise(c), cpu: () => slots.cpu.materialise(c), twin: () => slots.twin.materialise(c),
  }, 21);
  const details = { tensors: space.segments.length, elements: space.length, fillAndSealMs: fillMs };
  const row = (name: string, value: number): BenchRow => ({ name, value, unit: "ms", goal: null, details });
  for (const slot of Object.values(slots)) slot.destroy();
  basis.destroy();
  return [
    row("candidate ready, weights bound on the GPU", ms.gpu),
    row("candidate ready, weights bound in memory", ms.cpu),
    row("candidate ready, no GPU", ms.twin),
  ];
}

/** Peak of the GPU bytes we make over those of one f32 model: building, sealing, 20 candidates, a read. */
export async function benchMemory(gpu: Gpu, space: Space = smallSpace(), experts = 4): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const precision of ["f32", "f16"] as const) {
    for (const bind of ["gpu", "cpu"] as const) {
      const specs: DirectionSpec[] = directions(experts, precision);
      const before = gpu.ledger.bytes;
      gpu.ledger.resetPeak();
      const basis = openBasis(space, specs, { device: gpu });
      await fill(basis);
      const slot = basis.openSlot(bind);
      for (let i = 0; i < 20; i++) await slot.materialise(new Float64Array(specs.length).fill(i / 20));
      await slot.read();
      const peak = gpu.ledger.peakBytes - before;
      const goal = { atMost: (precision === "f32" ? experts : experts / 2) + 2.25 };
      const details = { peakBytes: peak, modelBytes: 4 * space.length, experts, tensors: space.segments.length };
      rows.push({ name: `peak GPU bytes, ${precision} directions, weights bound on the ${bind}`, value: peak / (4 * space.length), unit: "× one model", goal, details });
      slot.destroy();
      basis.destroy();
    }
  }
  return rows;
}

export async function benchKernels(gpu: Gpu): Promise<BenchRow[]> {
  return [...(await benchMaterialise(gpu)), ...(await benchUpdate(gpu)), ...(await benchTurnaround(gpu)), ...(await benchMemory(gpu))];
}
