/** A thread that merges tensors: reads its inputs, merges, rounds to what is stored, hands bytes over. One unit at a time. */
import { expose, transfer } from "comlink";
import { createSHA256 } from "hash-wasm";
import { bitsEach, type Dtype as Stored, type FloatDtype, isFloatDtype } from "../checkpoint/safetensors/dtype.ts";
import { Encoder, floatsOf } from "../checkpoint/safetensors/elements.ts";
import { isLabError, LabError } from "../lib/error.ts";
import { requestDevice } from "../gpu/device.ts";
import { CpuExecutor } from "../methods/executor.cpu.ts";
import { GpuExecutor } from "../methods/executor.gpu.ts";
import type { Executor } from "../methods/executor.ts";
import { mergeTensor } from "../methods/merge.ts";
import { surveyModel, type Survey } from "../methods/survey.ts";
import type { Dtype } from "../methods/types.ts";
import type { MountedFile } from "../threads/hub.ts";
import type { Deliver, TensorOrder, TensorReport, TensorService, Unit, UnitTensor } from "../threads/streaming.ts";
import { Bf16Kernels } from "./bf16.ts";
import { UnitInputs } from "./inputs.ts";
import { Buffers, type Reader, readerOf, sourceOf } from "./places.ts";
import { OutputRun } from "./run.ts";
import { WINDOW_BYTES } from "./units.ts";

/** Of each input, converted at a time: a few of them stay in the processor's caches. */
const CHUNK_ELEMENTS = 1 << 18;
/** A dispatch has to be worth its while. */
const GPU_CHUNK_ELEMENTS = 1 << 22;
const COPY_BYTES = 4 << 20;
const STORES: Readonly<Record<Dtype, FloatDtype>> = { float32: "F32", float16: "F16", bfloat16: "BF16" };

type Merge = Extract<UnitTensor, { kind: "merge" }>;
type Copy = Extract<UnitTensor, { kind: "copy" }>;

export class TensorMerger implements TensorService {
  #places: readonly MountedFile[] = [];
  #sources = new Map<number, Promise<Reader>>();
  #executor: Executor | null = null;
  #bf16: Bf16Kernels | null = null;
  #budgetBytes = 0;
  #survey: Survey | undefined;
  #onRead: (bytes: number) => void = () => undefined;
  readonly #encoder = new Encoder();
  readonly #rounder = new Encoder();
  readonly #windows = new Buffers(WINDOW_BYTES);
  /** Output buffers, kept between units. */
  readonly #buffers: ArrayBuffer[] = [];

  connect(port: MessagePort): void {
    expose(this, port);
  }

  async open({ places, budgetBytes, kernels }: TensorOrder, onRead: (bytes: number) => void): Promise<{ kernels: "cpu" | "webgpu"; adapter: string }> {
    this.#places = places;
    this.#sources.clear();
    this.#onRead = onRead;
    this.#executor?.destroy();
    this.#budgetBytes = budgetBytes;
    const gpu = kernels === "webgpu" ? await requestDevice() : null;
    if (gpu === null) return this.#onCpu();
    this.#executor = new GpuExecutor(gpu);
    this.#bf16 = null;
    const { description, vendor, architecture } = gpu.adapter;
    return { kernels: "webgpu", adapter: description || [vendor, architecture].filter(Boolean).join(" ") || "unnamed adapter" };
  }

  #onCpu(): { kernels: "cpu"; adapter: string } {
    this.#executor?.destroy();
    const executor = new CpuExecutor({ budgetBytes: this.#budgetBytes });
    this.#executor = executor;
    this.#bf16 = new Bf16Kernels(executor.memory);
    return { kernels: "cpu", adapter: "none" };
  }

  async survey(tensors: readonly Merge[]): Promise<Survey> {
    const byJob = new Map(tensors.map((tensor) => [tensor.job, tensor]));
    let last: UnitInputs | null = null;
    return surveyModel(
      tensors.map(({ job }) => job),
      (job) => {
        last?.close();
        const tensor = byJob.get(job) as Merge; // the jobs are theirs
        last = this.#inputs([tensor], false);
        return last.open(tensor);
      },
      this.#how,
    );
  }

  heed(survey: Survey): void {
    this.#survey = survey;
  }

  /** Where the GPU is lost or has no room, the unit is done again without it, and so is what follows. */
  async merge(unit: Unit, deliver: Deliver): Promise<readonly TensorReport[]> {
    try {
      return await this.#mergeUnit(unit, deliver);
    } catch (error) {
      if (this.#opened.backend !== "webgpu" || !(isLabError(error, "device-lost") || isLabError(error, "out-of-memory"))) throw error;
      this.#onCpu();
      return this.#mergeUnit(unit, deliver);
    }
  }

  async #mergeUnit(unit: Unit, deliver: Deliver): Promise<readonly TensorReport[]> {
    const inputs = this.#inputs(unit.tensors, unit.keep);
    const run = new OutputRun(unit.file, (file, at, bytes) => deliver(file, at, transfer(bytes, [bytes.buffer])), { free: this.#buffers });
    const reports: TensorReport[] = [];
    try {
      for (const tensor of unit.tensors) {
        try {
          if (tensor.kind === "merge") reports.push(await this.#merge(tensor, inputs, run));
          else await this.#copy(tensor, inputs, run);
        } catch (error) {
          throw during(error, tensor, this.#places);
        }
        inputs.done(tensor);
      }
      await run.finish();
    } finally {
      inputs.close();
    }
    return reports;
  }

  async digest(place: MountedFile): Promise<string> {
    const source = await sourceOf(place);
    const hash = await createSHA256();
    for (let at = 0; at < source.size; at += COPY_BYTES) hash.update(await source.read(at, Math.min(source.size, at + COPY_BYTES)));
    return hash.digest();
  }

  async #merge(tensor: Merge, inputs: UnitInputs, run: OutputRun): Promise<TensorReport> {
    const { job, dtype, at, name } = tensor;
    const size = bitsEach[dtype] / 8;
    const source = await inputs.open(tensor);
    const stored = (values: Float32Array) => (dtype === "BF16" && this.#bf16?.has(values) ? this.#bf16.narrow(values) : this.#encoder.encode(values, dtype));
    const write = (from: number, values: Float32Array) => run.write(at + from * size, stored(values));
    const merged = await mergeTensor(job, source, write, { ...this.#how, ...(this.#survey ? { survey: this.#survey } : {}) });
    return { ...merged, name, elements: job.shape.reduce((product, side) => product * side, 1) };
  }

  async #copy(tensor: Copy, inputs: UnitInputs, run: OutputRun): Promise<void> {
    const { input, alike, at, dtype, compute, name } = tensor;
    const read = await inputs.raw(input);
    const others = await Promise.all(alike.map((one) => inputs.raw(one)));
    const theirs = input.adapted?.dtype ?? input.dtype;
    const [from, to] = [bitsEach[theirs] / 8, bitsEach[dtype] / 8];
    const bytes = (input.bytes / bitsEach[input.dtype]) * bitsEach[theirs];
    for (let done = 0; done < bytes; done += COPY_BYTES) {
      const end = Math.min(bytes, done + COPY_BYTES);
      const part = await read(done, end);
      for (const other of others) {
        if (!equal(part, await other(done, end))) {
          throw new LabError("graph-mismatch", `${name} holds whole numbers that differ between the models. Such tensors are carried over, not merged; only models that agree in them can be merged.`);
        }
      }
      await run.write(at + (done / from) * to, converted(part, theirs, tensor, compute, this.#encoder, this.#rounder));
    }
  }

  #inputs(tensors: readonly UnitTensor[], keep: boolean): UnitInputs {
    return new UnitInputs(tensors, keep, { sourceOf: (place) => this.#sourceOf(place), onRead: this.#onRead, buffers: this.#windows, bf16: this.#bf16 });
  }

  #sourceOf(place: number): Promise<Reader> {
    let source = this.#sources.get(place);
    if (!source) this.#sources.set(place, (source = readerOf(this.#places[place] as MountedFile))); // the order names them all
    return source;
  }

  get #how(): { executor: Executor; chunkElements: number } {
    const executor = this.#opened;
    return { executor, chunkElements: executor.backend === "webgpu" ? GPU_CHUNK_ELEMENTS : CHUNK_ELEMENTS };
  }

  get #opened(): Executor {
    if (!this.#executor) throw new LabError("internal", "A thread that merges tensors was used before it was opened.");
    return this.#executor;
  }
}

/** As they are where nothing changes: whole numbers, and floats that the merge computes in no narrower type. */
function converted(bytes: Uint8Array, stored: Stored, { dtype }: Copy, compute: Dtype | null | undefined, encoder: Encoder, rounder: Encoder): Uint8Array {
  const narrows = compute != null && compute !== "float32" && STORES[compute] !== stored;
  if (stored === dtype && !narrows) return bytes;
  if (!isFloatDtype(stored) || !isFloatDtype(dtype)) throw new LabError("internal", `${stored} was to be copied as ${dtype}.`);
  const values = floatsOf(bytes as Uint8Array<ArrayBuffer>, stored, new Float32Array((8 * bytes.length) / bitsEach[stored]));
  if (!narrows) return encoder.encode(values, dtype);
  const rounded = STORES[compute];
  return encoder.encode(floatsOf(rounder.encode(values, rounded).slice(), rounded), dtype);
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Says which tensor it was, and of which files. */
function during(error: unknown, tensor: UnitTensor, places: readonly MountedFile[]): unknown {
  if (!isLabError(error) || error.code === "cancelled") return error;
  const inputs = tensor.kind === "merge" ? tensor.inputs : [tensor.input, ...tensor.alike];
  const files = [...new Set(inputs.map(({ place }) => places[place]?.path ?? "?"))];
  const details = { ...(error.details as object | undefined), tensor: tensor.name, files };
  return new LabError(error.code, error.message.includes(tensor.name) ? error.message : `${tensor.name}: ${error.message}`, { cause: error, details });
}
