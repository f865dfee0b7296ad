/**
 * Scores whatever weights the slot holds: fixed batches, one session for the whole run. Samples of tasks that share a head's feeds
 * (none, where the graph holds all heads) go through the model together: fewer, larger runs.
 * Logits differ in their last bits between batch 1 and larger ones, so every batch has the same size; the last is padded.
 */
import type * as ort from "onnxruntime-web/webgpu";
import { LabError } from "../lib/error.ts";
import { readLogits } from "./logits.ts";
import { cpuTensor, type Feeds, type RuntimeSession } from "./runtime.ts";
import type { PictureSet, SampleScores } from "./types.ts";
import { macrotask } from "./yielding.ts";

export interface EvaluatorOptions {
  session: RuntimeSession;
  /** Name of the image input, `[batch, channels, height, width]`. */
  input: string;
  batch: number;
  /** Shape of one sample: `[channels, height, width]`. */
  sampleShape: readonly number[];
}

/** Where a task's logits come from. */
export interface Port {
  /** Feeds of the head; the very same object means that samples can share a batch. */
  readonly head: Feeds;
  /** Name of the output, `[batch, classes]`. */
  readonly output: string;
}

export interface Job extends Port {
  readonly set: PictureSet;
}

/** Samples `from .. to` of a job, at row `row` of a batch. */
interface Part {
  readonly job: number;
  readonly from: number;
  readonly to: number;
  readonly row: number;
}

export class Evaluator {
  readonly #options: EvaluatorOptions;
  readonly #sampleLength: number;
  readonly #pixels: Float32Array;
  /** Samples put through a model so far, padding left out. */
  inferences = 0;

  constructor(options: EvaluatorOptions) {
    this.#options = options;
    this.#sampleLength = options.sampleShape.reduce((product, size) => product * size, 1);
    this.#pixels = new Float32Array(options.batch * this.#sampleLength);
  }

  /**
   * `weights` gives feeds over the slot, asked anew for each batch. `between` is awaited after every batch: pausing and cancelling happen there.
   * One entry a job; null where a batch gave logits that are not finite before its turn came (diverged: the rest cannot change that).
   */
  async score(weights: () => Feeds, jobs: readonly Job[], between: () => Promise<void>): Promise<(SampleScores | null)[]> {
    const scores = jobs.map(({ set }) => emptyScores(set.count));
    const finite = jobs.map(() => true);
    const done = jobs.map(() => 0);
    for (const parts of this.#batches(jobs)) {
      const outputs = await this.#run(weights(), jobs, parts);
      parts.forEach(({ job, from, to, row }, i) => {
        const { values, classes } = outputs[i] as Logits; // one a part
        const rows = values.subarray(row * classes, (row + to - from) * classes);
        const { set } = jobs[job] as Job;
        finite[job] = readLogits(rows, classes, set.labels.subarray(from, to), scores[job] as Scores, from) && (finite[job] as boolean);
        done[job] = to;
        this.inferences += to - from;
      });
      await macrotask();
      await between();
      if (finite.includes(false)) break;
    }
    return jobs.map(({ set }, i) => (done[i] === set.count || !finite[i] ? { ...(scores[i] as Scores), finite: finite[i] as boolean } : null));
  }

  /** Logits of one preprocessed input, `[classes]` a port. */
  async answer(weights: Feeds, ports: readonly Port[], pixels: Float32Array): Promise<Float32Array[]> {
    const { session, input, sampleShape } = this.#options;
    const answers: Float32Array[] = new Array(ports.length);
    const image = { [input]: cpuTensor(pixels, [1, ...sampleShape]) };
    for (const group of grouped(ports)) {
      const names = [...new Set(group.map((i) => (ports[i] as Port).output))];
      const outputs = await session.run({ ...weights, ...(ports[group[0] as number] as Port).head, ...image }, names);
      const taken = new Map(await Promise.all(names.map(async (name) => [name, await take(outputs[name], name)] as const)));
      for (const i of group) answers[i] = (taken.get((ports[i] as Port).output) as Logits).values;
    }
    return answers;
  }

  *#batches(jobs: readonly Job[]): Iterable<Part[]> {
    const { batch } = this.#options;
    for (const group of grouped(jobs)) {
      let parts: Part[] = [];
      let row = 0;
      for (const job of group) {
        const { count } = (jobs[job] as Job).set;
        for (let from = 0; from < count; ) {
          const to = Math.min(from + batch - row, count);
          parts.push({ job, from, to, row });
          row += to - from;
          from = to;
          if (row < batch) continue;
          yield parts;
          parts = [];
          row = 0;
        }
      }
      if (parts.length > 0) yield parts;
    }
  }

  /** Logits of the whole batch, one entry a part. */
  async #run(weights: Feeds, jobs: readonly Job[], parts: readonly Part[]): Promise<Logits[]> {
    const { session, input, batch, sampleShape } = this.#options;
    const length = this.#sampleLength;
    const pixels = this.#pixels.fill(0);
    for (const { job, from, to, row } of parts) pixels.set((jobs[job] as Job).set.pixels.subarray(from * length, to * length), row * length);
    const names = [...new Set(parts.map(({ job }) => (jobs[job] as Job).output))];
    const head = (jobs[(parts[0] as Part).job] as Job).head;
    const outputs = await session.run({ ...weights, ...head, [input]: cpuTensor(pixels, [batch, ...sampleShape]) }, names);
    const taken = new Map<string, Logits>();
    for (const name of names) taken.set(name, await take(outputs[name], name));
    return parts.map(({ job }) => taken.get((jobs[job] as Job).output) as Logits);
  }
}

type Scores = Omit<SampleScores, "finite">;

export interface Logits {
  readonly values: Float32Array;
  readonly classes: number;
}

/** Positions of ports whose heads are fed alike, in order. */
function grouped(ports: readonly Port[]): number[][] {
  const groups = new Map<Feeds, number[]>();
  ports.forEach(({ head }, i) => {
    const group = groups.get(head);
    if (group) group.push(i);
    else groups.set(head, [i]);
  });
  return [...groups.values()];
}

/** An output on the CPU; the runtime's own copy is let go. */
export async function take(tensor: ort.Tensor | undefined, name: string): Promise<Logits> {
  if (!tensor) throw new LabError("run-failed", `The graph gave no output called ${name}.`);
  const values = await tensor.getData(true);
  tensor.dispose(); // gpu outputs would stay alive otherwise
  if (!(values instanceof Float32Array)) throw new LabError("run-failed", `The output ${name} is not float32.`);
  return { values, classes: tensor.dims.at(-1) ?? 0 };
}

function emptyScores(count: number): Scores {
  return {
    predictions: new Float64Array(count).fill(-1),
    correct: new Uint8Array(count),
    logLikelihood: new Float64Array(count),
    margin: new Float64Array(count),
    uniform: null,
    tokens: null,
    choices: null,
    texts: null,
  };
}
