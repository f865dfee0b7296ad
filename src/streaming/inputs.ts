/** Inputs of a unit: elements of its tensors as f32, from windows over the files. */
import { bitsEach, type FloatDtype } from "../checkpoint/safetensors/dtype.ts";
import { Encoder, floatsOf } from "../checkpoint/safetensors/elements.ts";
import type { TensorSource } from "../methods/types.ts";
import type { PlacedTensor, UnitTensor } from "../threads/streaming.ts";
import { adaptedFloats, type ReadFloats } from "./adapted.ts";
import type { Bf16Kernels } from "./bf16.ts";
import type { Buffers, Reader } from "./places.ts";
import { gatherRows } from "./rows.ts";
import { Windows } from "./windows.ts";

/** Neighbours in a file share windows where at least this share of the span is wanted. */
const DENSE = 0.75;

export interface InputsOptions {
  readonly sourceOf: (place: number) => Promise<Reader>;
  readonly onRead: (bytes: number) => void;
  readonly buffers: Buffers;
  /** Of the executor's memory, where it has one. */
  readonly bf16: Bf16Kernels | null;
}

export class UnitInputs {
  readonly #tensors: readonly UnitTensor[];
  readonly #keep: boolean;
  readonly #options: InputsOptions;
  /** By place: one for all of its tensors. */
  readonly #shared = new Map<number, Windows>();
  #own: Windows[] = [];

  constructor(tensors: readonly UnitTensor[], keep: boolean, options: InputsOptions) {
    this.#tensors = tensors;
    this.#keep = keep;
    this.#options = options;
  }

  /** Of a tensor to be merged; `done` when it is. */
  async open(tensor: Extract<UnitTensor, { kind: "merge" }>): Promise<TensorSource> {
    // Rows are gathered from several inputs at once, so where windows come and go what one drops another may be reading.
    const inTurn = this.#keep || tensor.rows === null;
    const reads = await Promise.all(tensor.inputs.map((input) => this.#floats(input, inTurn)));
    const stored: TensorSource = { read: (input, from, to, into) => (reads[input] as ReadFloats)(from, to, into) }; // one each
    return tensor.rows === null ? stored : gatherRows(stored, tensor.rows, tensor.width, tensor.job.dtype ?? "float32");
  }

  /** Bytes of a tensor as they lie, or as they would with its adapter merged into the model. */
  async raw(input: PlacedTensor): Promise<(from: number, to: number) => Promise<Uint8Array>> {
    if (input.adapted) {
      const { dtype } = input.adapted;
      const [read, encoder, size] = [await this.#floats(input, true), new Encoder(), bitsEach[dtype] / 8];
      return async (from, to) => encoder.encode(await read(from / size, to / size), dtype);
    }
    const windows = await this.#windowsOf(input, true);
    return (from, to) => windows.read(input.offset + from, input.offset + to);
  }

  /** Elements of one input. */
  async #floats(input: PlacedTensor, inTurn: boolean): Promise<ReadFloats> {
    const { dtype, offset, adapted } = input;
    const { bf16, sourceOf } = this.#options;
    const windows = await this.#windowsOf(input, inTurn);
    const size = bitsEach[dtype] / 8;
    const stored: ReadFloats = async (from, to, into) => {
      const bytes = await windows.read(offset + from * size, offset + to * size);
      if (dtype === "BF16" && into && bf16?.has(into)) {
        bf16.widen(bytes, into);
        return into;
      }
      return floatsOf(bytes, dtype as FloatDtype, into ?? new Float32Array(to - from)); // a plan merges floats only
    };
    return adapted ? adaptedFloats(stored, adapted, sourceOf) : stored;
  }

  done(tensor: UnitTensor): void {
    for (const windows of this.#own.splice(0)) windows.close();
    const left = this.#tensors.slice(this.#tensors.indexOf(tensor) + 1).flatMap(inputsOf);
    for (const [place, windows] of this.#shared) {
      const next = left.filter((input) => input.place === place).map(({ offset }) => offset);
      if (next.length === 0) windows.close();
      else windows.release(Math.min(...next));
    }
  }

  close(): void {
    for (const windows of [...this.#own.splice(0), ...this.#shared.values()]) windows.close();
    this.#shared.clear();
  }

  async #windowsOf(input: PlacedTensor, inTurn: boolean): Promise<Windows> {
    const known = this.#shared.get(input.place);
    if (known) return known;
    const { sourceOf, onRead, buffers } = this.#options;
    const source = await sourceOf(input.place);
    const wanted = this.#tensors.flatMap(inputsOf).filter(({ place }) => place === input.place);
    const [begin, end] = [Math.min(...wanted.map(({ offset }) => offset)), Math.max(...wanted.map(({ offset, bytes }) => offset + bytes))];
    const bytes = wanted.reduce((total, one) => total + one.bytes, 0);
    if (this.#keep && wanted.length > 1 && bytes >= DENSE * (end - begin)) {
      const shared = this.#shared.get(input.place) ?? new Windows(source, { begin, end, keep: true }, { onRead, buffers, inTurn });
      this.#shared.set(input.place, shared);
      return shared;
    }
    const windows = new Windows(source, { begin: input.offset, end: input.offset + input.bytes, keep: this.#keep }, { onRead, buffers, inTurn });
    this.#own.push(windows);
    return windows;
  }
}

function inputsOf(tensor: UnitTensor): readonly PlacedTensor[] {
  return tensor.kind === "merge" ? tensor.inputs : [tensor.input, ...tensor.alike];
}
