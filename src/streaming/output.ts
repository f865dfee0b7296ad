/** Files of a merge in a sink: safetensors as laid out, filled in any order and closed when full; small files whole. */
import type { Layout } from "../checkpoint/safetensors/layout.ts";
import { LabError } from "../lib/error.ts";
import type { Sink, SinkFile } from "./sinks/sink.ts";

interface Filling {
  readonly file: SinkFile;
  /** Bytes that are still to come. */
  left: number;
}

export class Output {
  readonly #sink: Sink;
  readonly #layout: Layout;
  readonly #filling = new Map<number, Promise<Filling>>();
  readonly #written: { path: string; bytes: number }[] = [];

  constructor(sink: Sink, layout: Layout) {
    this.#sink = sink;
    this.#layout = layout;
  }

  /** Bytes of the layout's file number `index`; the same ones may come again. */
  async write(index: number, at: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await (await this.#begun(index)).file.write(at, bytes);
  }

  /** So many more bytes of it are as they should be. */
  async done(index: number, bytes: number): Promise<void> {
    const filling = await this.#begun(index);
    filling.left -= bytes;
    if (filling.left < 0) throw new LabError("internal", `More bytes were written to ${this.#layout.files[index]?.path} than it has.`);
    if (filling.left === 0) await this.#close(index, filling);
  }

  async add(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const file = await this.#sink.create(path, bytes.length);
    await file.write(0, bytes);
    await file.close();
    this.#written.push({ path, bytes: bytes.length });
  }

  /** Writes the index, and files that have a header only. Answers what was written. */
  async finish(): Promise<readonly { path: string; bytes: number }[]> {
    for (const [index, { tensors }] of this.#layout.files.entries()) if (tensors.every(({ bytes }) => bytes === 0)) await this.#close(index, await this.#begun(index));
    const { index } = this.#layout;
    if (index) await this.add(index.path, index.bytes);
    for (const [file, filling] of this.#filling) {
      const { left } = await filling;
      if (left > 0) throw new LabError("internal", `${this.#layout.files[file]?.path} is not whole: ${left} bytes are missing.`);
    }
    return [...this.#written].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  #begun(index: number): Promise<Filling> {
    let filling = this.#filling.get(index);
    if (!filling) this.#filling.set(index, (filling = this.#begin(index)));
    return filling;
  }

  async #begin(index: number): Promise<Filling> {
    const laid = this.#layout.files[index];
    if (!laid) throw new LabError("internal", `There is no output file ${index}.`);
    const file = await this.#sink.create(laid.path, laid.bytes);
    await file.write(0, laid.header);
    return { file, left: laid.bytes - laid.header.length };
  }

  async #close(index: number, { file }: Filling): Promise<void> {
    const { path, bytes } = this.#layout.files[index] as Layout["files"][number]; // it was begun
    await file.close();
    this.#written.push({ path, bytes });
  }
}
