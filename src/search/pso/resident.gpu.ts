/** Resident particles on the GPU, in slabs laid out as the basis is: a start is a materialise, a showing is a copy. */
import { LabError } from "../../lib/error.ts";
import type { GpuBasis } from "../../space/basis.gpu.ts";
import type { CpuBoundSlot } from "../../space/slot/cpu-bound.ts";
import type { GpuBoundSlot } from "../../space/slot/gpu-bound.ts";
import type { MoveRule, ResidentSwarm, Slot } from "../../space/types.ts";
import { encodeUpdate, MOVE_BYTES, moveTable, moveWords } from "./update/update.ts";

/** One buffer a slab. */
interface Particle {
  readonly x: readonly GPUBuffer[];
  readonly v: readonly GPUBuffer[];
  readonly pbest: readonly GPUBuffer[];
}

export class GpuResidentSwarm implements ResidentSwarm {
  readonly backend = "webgpu";
  readonly particles: number;
  readonly gpuBytes: number;
  readonly #basis: GpuBasis;
  readonly #all: readonly Particle[];
  /** "Not finite", a word a particle. Two buffers: WebGPU copies nothing within one. */
  readonly #flags: { readonly x: GPUBuffer; readonly pbest: GPUBuffer };
  readonly #moves: GPUBuffer;
  readonly #table: GPUBuffer;

  constructor(basis: GpuBasis, particles: number) {
    const { gpu, layout, space } = basis;
    this.#basis = basis;
    this.particles = particles;
    const before = gpu.ledger.bytes;
    const storage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const model = (label: string) => layout.slabs.map((slab) => gpu.buffer(label, 4 * slab.elements, storage));
    this.#all = Array.from({ length: particles }, (_, p) => ({ x: model(`particle ${p}`), v: model(`velocity ${p}`), pbest: model(`best of ${p}`) }));
    this.#flags = { x: gpu.buffer("not finite", 4 * particles, storage), pbest: gpu.buffer("best not finite", 4 * particles, storage) };
    this.#moves = gpu.buffer("moves", this.#step * particles * layout.slabs.length, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    this.#table = gpu.buffer("factors", space.segments.length * Math.max(16, 8 * particles), storage);
    this.gpuBytes = gpu.ledger.bytes - before;
  }

  get #step(): number {
    return Math.max(64, this.#basis.gpu.limits.minUniformBufferOffsetAlignment);
  }

  async start(rows: readonly Float64Array[]): Promise<void> {
    checkRows(rows, this.particles);
    const { gpu, layout, factors } = this.#basis;
    await gpu.settled();
    const flag = gpu.buffer("not finite", 4, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST);
    this.#all.forEach(({ x, v, pbest }, p) => {
      const parts = layout.pieces.map((piece) => ({ ...piece, shift: 0, out: { buffer: x[piece.slab] as GPUBuffer }, wide: true }));
      const materialiser = this.#basis.materialiser(flag, parts);
      materialiser.set(factors.table(rows[p] as Float64Array));
      const encoder = gpu.device.createCommandEncoder();
      encoder.clearBuffer(flag);
      const pass = encoder.beginComputePass();
      materialiser.encode(pass);
      pass.end();
      encoder.copyBufferToBuffer(flag, 0, this.#flags.x, 4 * p, 4);
      encoder.copyBufferToBuffer(flag, 0, this.#flags.pbest, 4 * p, 4);
      x.forEach((from, s) => {
        encoder.clearBuffer(v[s] as GPUBuffer);
        encoder.copyBufferToBuffer(from, 0, pbest[s] as GPUBuffer, 0, from.size);
      });
      gpu.device.queue.submit([encoder.finish()]);
      materialiser.destroy(); // the queue keeps what it was given
    });
    gpu.free(flag);
    await gpu.settled();
  }

  keep(particle: number): void {
    const { x, pbest } = this.#at(particle);
    const encoder = this.#basis.gpu.device.createCommandEncoder();
    x.forEach((from, s) => encoder.copyBufferToBuffer(from, 0, pbest[s] as GPUBuffer, 0, from.size));
    encoder.copyBufferToBuffer(this.#flags.x, 4 * particle, this.#flags.pbest, 4 * particle, 4);
    this.#basis.gpu.device.queue.submit([encoder.finish()]);
  }

  async move(step: number, globalBest: number, rule: MoveRule): Promise<void> {
    const { gpu, layout, slabs, space } = this.#basis;
    await gpu.settled();
    const best = this.#at(globalBest).pbest;
    gpu.device.queue.writeBuffer(this.#table, 0, moveTable(rule, step, this.particles, space));
    const words = new Uint32Array((this.#step / 4) * this.particles * layout.slabs.length);
    const encoder = gpu.device.createCommandEncoder();
    encoder.clearBuffer(this.#flags.x);
    const pass = encoder.beginComputePass();
    let at = 0;
    this.#all.forEach(({ x, v, pbest }, particle) => {
      layout.slabs.forEach((slab, s) => {
        words.set(moveWords(rule, step, particle, slab.tiles, space.segments.length), at / 4);
        const of = (buffers: readonly GPUBuffer[]) => buffers[s] as GPUBuffer; // one a slab
        const buffers = { x: of(x), v: of(v), pbest: of(pbest), gbest: of(best), tiles: of(slabs.map((b) => b.tiles)) };
        const move = { buffer: this.#moves, offset: at, size: MOVE_BYTES };
        encodeUpdate(gpu, pass, rule.random, { ...buffers, move, table: this.#table, spoilt: this.#flags.x }, slab.tiles);
        at += this.#step;
      });
    });
    pass.end();
    gpu.device.queue.writeBuffer(this.#moves, 0, words);
    gpu.device.queue.submit([encoder.finish()]);
  }

  show(particle: number, what: "x" | "pbest", slot: Slot): Promise<{ nonFinite: boolean }> {
    // Both slots of a GPU basis copy from slabs of its layout.
    return (slot as CpuBoundSlot | GpuBoundSlot).copy(this.#at(particle)[what], this.#flags[what], 4 * particle);
  }

  #at(particle: number): Particle {
    const one = this.#all[particle];
    if (!one) throw new LabError("internal", `There is no particle ${particle} in a swarm of ${this.particles}.`);
    return one;
  }

  destroy(): void {
    const { gpu } = this.#basis;
    for (const { x, v, pbest } of this.#all) for (const buffer of [...x, ...v, ...pbest]) gpu.free(buffer);
    for (const buffer of [this.#flags.x, this.#flags.pbest, this.#moves, this.#table]) gpu.free(buffer);
  }
}

export function checkRows(rows: readonly Float64Array[], particles: number): void {
  if (rows.length !== particles) throw new LabError("internal", `A swarm of ${particles} particles cannot start from ${rows.length} points.`);
}
