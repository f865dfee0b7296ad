/** Time of compute passes by the card's own clock. A software adapter has none to be believed. */
import type { Gpu } from "../../src/gpu/device.ts";

/** Passes between `start` and `stop`. */
const PASSES = 1024;

export class Stopwatch {
  readonly #gpu: Gpu;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #told: GPUBuffer;
  readonly #create: GPUDevice["createCommandEncoder"];
  #next = -1;

  /** null where the adapter does not tell. */
  static of(gpu: Gpu): Stopwatch | null {
    return !gpu.adapter.isFallback && gpu.device.features.has("timestamp-query") ? new Stopwatch(gpu) : null;
  }

  private constructor(gpu: Gpu) {
    const { device } = gpu;
    this.#gpu = gpu;
    this.#queries = device.createQuerySet({ type: "timestamp", count: 2 * PASSES });
    this.#resolved = device.createBuffer({ size: 16 * PASSES, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
    this.#told = device.createBuffer({ size: 16 * PASSES, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
    this.#create = device.createCommandEncoder.bind(device);
    device.createCommandEncoder = (descriptor) => this.#timed(this.#create(descriptor));
  }

  start(): void {
    this.#next = 0;
  }

  /** Milliseconds that passes took since `start`; all of them must be finished. */
  async stop(): Promise<number> {
    const count = this.#next;
    this.#next = -1;
    if (count > 2 * PASSES) throw new Error(`${count / 2} passes are more than the ${PASSES} that are timed.`);
    if (count === 0) return 0;
    const encoder = this.#create();
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#told, 0, 8 * count);
    this.#gpu.device.queue.submit([encoder.finish()]);
    await this.#told.mapAsync(GPUMapMode.READ);
    const at = new BigUint64Array(this.#told.getMappedRange(0, 8 * count));
    let nanoseconds = 0n;
    for (let i = 0; i < count; i += 2) nanoseconds += (at[i + 1] as bigint) - (at[i] as bigint);
    this.#told.unmap();
    return Number(nanoseconds) / 1e6;
  }

  destroy(): void {
    this.#gpu.device.createCommandEncoder = this.#create;
    this.#queries.destroy();
    this.#resolved.destroy();
    this.#told.destroy();
  }

  #timed(encoder: GPUCommandEncoder): GPUCommandEncoder {
    const begin = encoder.beginComputePass.bind(encoder);
    encoder.beginComputePass = (descriptor) => {
      if (this.#next < 0 || this.#next >= 2 * PASSES) return begin(descriptor);
      const beginningOfPassWriteIndex = this.#next;
      this.#next += 2;
      return begin({ ...descriptor, timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex, endOfPassWriteIndex: beginningOfPassWriteIndex + 1 } });
    };
    return encoder;
  }
}
