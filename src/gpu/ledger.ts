/** What is alive on a device: reports and leak tests read it. Counts only buffers made through `Gpu`. */
export class GpuLedger {
  #buffers = 0;
  #bytes = 0;
  #peakBytes = 0;

  get buffers(): number {
    return this.#buffers;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get peakBytes(): number {
    return this.#peakBytes;
  }

  add(bytes: number): void {
    this.#buffers++;
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
  }

  remove(bytes: number): void {
    this.#buffers--;
    this.#bytes -= bytes;
  }

  /** Benches measure one thing at a time. */
  resetPeak(): void {
    this.#peakBytes = this.#bytes;
  }
}
