/**
 * Scores whatever weights the slot holds on samples of one task: fixed batches, one session for the whole run.
 * Logits differ in their last bits between batch 1 and larger ones, so every batch has the same size; the last is padded.
 */
import type * as ort from "onnxruntime-web/webgpu";
import { LabError } from "../lib/error.ts";
import { readLogits } from "./logits.ts";
import { cpuTensor, type Feeds, type RuntimeSession } from "./runtime.ts";
import type { SampleScores, SampleSet } from "./types.ts";
import { macrotask } from "./yielding.ts";

export interface EvaluatorOptions {
  session: RuntimeSession;
  /** Name of the image input, `[batch, channels, height, width]`. */
  input: string;
  /** Name of the output, `[batch, classes]`. */
  output: string;
  batch: number;
  /** Shape of one sample: `[channels, height, width]`. */
  sampleShape: readonly number[];
}

export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #sampleLength: number;
  readonly #padded: Float32Array;
  /** Samples put through a model so far, padding left out. */
  inferences = 0;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#sampleLength = options.sampleShape.reduce((product, size) => product * size, 1);
    this.#padded = new Float32Array(options.batch * this.#sampleLength);
  }

  /**
   * `weights` and `head` are feeds over the slot and over one task's head.
   * `between` is awaited after every batch: pausing and cancelling happen there.
   */
  async score(weights: Feeds, head: Feeds, set: SampleSet, between: () => Promise<void>): Promise<SampleScores> {
    const scores = emptyScores(set.count);
    let finite = true;
    for (let from = 0; from < set.count; from += this.#options.batch) {
      const to = Math.min(from + this.#options.batch, set.count);
      const logits = await this.#run(weights, head, set, from, to);
      finite = readLogits(logits.values, logits.classes, set.labels.subarray(from, to), scores, from) && finite;
      this.inferences += to - from;
      await macrotask();
      await between();
      if (!finite) break; // diverged: the rest cannot change that
    }
    return { ...scores, finite };
  }

  /** Logits of one preprocessed input, `[classes]`. */
  async answer(weights: Feeds, head: Feeds, pixels: Float32Array): Promise<Float32Array> {
    const { session, input, output, sampleShape } = this.#options;
    const outputs = await session.run({ ...weights, ...head, [input]: cpuTensor(pixels, [1, ...sampleShape]) }, [output]);
    const { values } = await take(outputs[output], output);
    return values;
  }

  async #run(weights: Feeds, head: Feeds, set: SampleSet, from: number, to: number) {
    const { session, input, output, batch, sampleShape } = this.#options;
    const length = this.#sampleLength;
    let pixels = set.pixels.subarray(from * length, to * length);
    if (to - from < batch) {
      this.#padded.fill(0).set(pixels);
      pixels = this.#padded;
    }
    const outputs = await session.run({ ...weights, ...head, [input]: cpuTensor(pixels, [batch, ...sampleShape]) }, [output]);
    return take(outputs[output], output);
  }
}

async function take(tensor: ort.Tensor | undefined, name: string): Promise<{ values: Float32Array; classes: number }> {
  if (!tensor) throw new LabError("run-failed", `The graph gave no output called ${name}.`);
  const values = await tensor.getData(true);
  tensor.dispose(); // gpu outputs would stay alive otherwise
  if (!(values instanceof Float32Array)) throw new LabError("run-failed", `The output ${name} is not float32.`);
  return { values, classes: tensor.dims.at(-1) ?? 0 };
}

function emptyScores(count: number) {
  return {
    predictions: new Int32Array(count).fill(-1),
    correct: new Uint8Array(count),
    logLikelihood: new Float64Array(count),
    margin: new Float64Array(count),
  };
}
