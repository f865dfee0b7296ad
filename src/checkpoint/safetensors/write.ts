/**
 * A checkpoint written tensor after tensor, chunk after chunk; nothing is held but the chunk under way. Sizes are known before
 * the first byte, so headers come first and files grow in one direction only.
 */
import { cancelled, LabError } from "../../lib/error.ts";
import { bitsEach, isFloatDtype } from "./dtype.ts";
import { Encoder } from "./elements.ts";
import { quoted, type StoredTensor } from "./header.ts";
import { type Layout, layOut, type LayoutOptions, type NewTensor } from "./layout.ts";
import type { ByteSink, OpenSink } from "./sink.ts";

export interface WriterOptions extends LayoutOptions {
  readonly open: OpenSink;
}

export class SafetensorsWriter {
  readonly layout: Layout;
  /** The order to write in: shard after shard as given, larger elements first within one. */
  readonly tensors: readonly StoredTensor[];
  readonly #open: OpenSink;
  readonly #encoder = new Encoder();
  /** Every sink ever opened: what `abort` has to throw away. */
  readonly #sinks: ByteSink[] = [];
  #sink: ByteSink | null = null;
  /** The file under way, the tensor under way in `tensors`, and how many of its bytes are written. */
  #file = -1;
  #tensor = 0;
  #done = 0;
  #state: "open" | "busy" | "failed" | "finished" | "aborted" = "open";
  #work: Promise<void> = Promise.resolve();

  constructor(tensors: readonly NewTensor[], { open, ...options }: WriterOptions) {
    this.layout = layOut(tensors, options);
    this.tensors = this.layout.files.flatMap((file) => file.tensors);
    this.#open = open;
  }

  /**
   * The next part of the tensor whose turn it is: f32, rounded here to its dtype (F32, F16, BF16, F64), or bytes as they are
   * stored. A tensor without elements needs no call. The array is the caller's again when the promise resolves.
   */
  async write(name: string, part: Float32Array | Uint8Array): Promise<void> {
    if (part.length === 0 && this.#state === "open") return;
    await this.#alone(async () => {
      const tensor = this.#turn();
      if (tensor?.name !== name) {
        throw new LabError("internal", `${quoted(name)} was given, but ${tensor ? `${quoted(tensor.name)} is next` : "all tensors are written"}.`);
      }
      const bytes = this.#bytesOf(tensor, part);
      if (this.#done + bytes.length > tensor.bytes) {
        const given = ((this.#done + bytes.length) * 8) / bitsEach[tensor.dtype];
        throw new LabError("internal", `${quoted(name)} has ${tensor.elements} elements, but ${given} were given.`);
      }
      await this.#reach(tensor.file);
      await this.#sink?.write(bytes);
      this.#done += bytes.length;
    });
  }

  /** Closes the last file and writes the index. Returns what was written. */
  async finish(): Promise<{ path: string; bytes: number }[]> {
    const { files, index } = this.layout;
    await this.#alone(async () => {
      const tensor = this.#turn();
      if (tensor) {
        throw new LabError("internal", `${quoted(tensor.name)} is not whole: ${this.#done} of its ${tensor.bytes} bytes were given.`);
      }
      await this.#reach(files.at(-1)?.path ?? "");
      await this.#end();
      if (index) await this.#begin(index.path, index.bytes.length, index.bytes);
      await this.#end();
    });
    if (this.#state !== "open") throw cancelled();
    this.#state = "finished";
    return [...files, ...(index ? [{ path: index.path, bytes: index.bytes.length }] : [])].map(({ path, bytes }) => ({ path, bytes }));
  }

  /** Throws every file away, the finished ones too. May be called at any time; a write under way ends first. */
  async abort(): Promise<void> {
    this.#state = "aborted";
    await this.#work;
    const results = await Promise.allSettled(this.#sinks.splice(0).map((sink) => sink.abort()));
    const failed = results.find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }

  /** The tensor that wants bytes; null when all have theirs. */
  #turn(): StoredTensor | null {
    for (let tensor = this.tensors[this.#tensor]; tensor; tensor = this.tensors[++this.#tensor]) {
      if (this.#done < tensor.bytes) return tensor;
      this.#done = 0;
    }
    return null;
  }

  #bytesOf({ name, dtype }: StoredTensor, part: Float32Array | Uint8Array): Uint8Array {
    if (part instanceof Uint8Array) return part;
    if (!isFloatDtype(dtype)) throw new LabError("internal", `${quoted(name)} is written as ${dtype}, which takes bytes, not numbers.`);
    return this.#encoder.encode(part, dtype);
  }

  /** Files up to the one at `path` are begun, those before it closed. */
  async #reach(path: string): Promise<void> {
    while (this.layout.files[this.#file]?.path !== path) {
      await this.#end();
      const file = this.layout.files[++this.#file];
      if (!file) return;
      await this.#begin(file.path, file.bytes, file.header);
    }
  }

  async #begin(path: string, bytes: number, first: Uint8Array): Promise<void> {
    this.#sink = await this.#open(path, bytes);
    this.#sinks.push(this.#sink);
    await this.#sink.write(first);
  }

  async #end(): Promise<void> {
    await this.#sink?.close();
    this.#sink = null;
  }

  /** One piece of work at a time; after a failure, which may have left half a chunk, only `abort` is left. */
  async #alone(work: () => Promise<void>): Promise<void> {
    if (this.#state === "aborted") throw cancelled();
    if (this.#state !== "open") {
      throw new LabError("internal", { busy: "A part is still being written.", failed: "Writing failed; nothing can be added.", finished: "The checkpoint is finished." }[this.#state]);
    }
    this.#state = "busy";
    let failed = true;
    const under = work().then(() => void (failed = false));
    this.#work = under.catch(() => undefined);
    try {
      await under;
    } finally {
      if (this.#state === "busy") this.#state = failed ? "failed" : "open";
    }
  }
}
