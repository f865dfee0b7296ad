/**
 * Classifiers of texts (BERT and its like): one run a batch, the candidate's weights fed beside the tokens. Samples go in order of length, so
 * that little is padding; a batch is as long as its longest row.
 */
import { LabError } from "../../lib/error.ts";
import { take, type Port } from "../evaluator.ts";
import { idTensor, type Feeds, type RuntimeSession } from "../runtime.ts";
import type { SampleScores } from "../types.ts";
import { macrotask } from "../yielding.ts";
import { emptyScores, evenly, readClasses, type TextJob } from "./scores.ts";
import { type Encoded, padded, type Tokens } from "./tokens.ts";

export interface ClassifierJob extends TextJob, Port {
  readonly tokens: Tokens;
}

export class TextClassifier {
  readonly #session: RuntimeSession;
  readonly #batch: number;
  readonly #encoded = new WeakMap<object, { rows: Encoded[]; order: number[] }>();
  /** Samples put through a model so far. */
  inferences = 0;

  constructor(session: RuntimeSession, batch: number) {
    this.#session = session;
    this.#batch = batch;
    if (!session.inputNames.includes("input_ids")) throw new LabError("bad-samples", "The samples are texts, but the graph has no input called input_ids: its models do not read texts.");
  }

  /** One entry a job; null where a batch gave logits that are not finite before its turn came. */
  async score(weights: () => Feeds, jobs: readonly ClassifierJob[], between: () => Promise<void>): Promise<(SampleScores | null)[]> {
    const all: (SampleScores | null)[] = [];
    for (const job of jobs) {
      const scores = emptyScores(job.set.count);
      const { rows, order } = this.#rowsOf(job);
      const sorted = emptyScores(job.set.count);
      let finite = true;
      for (const { from, to } of evenly(order.length, this.#batch)) {
        const some = order.slice(from, to);
        const { values, classes } = await this.#run({ ...weights(), ...job.head }, some.map((i) => rows[i] as Encoded), job);
        finite = readClasses(job.task, values, classes, Float64Array.from(some, (i) => job.set.labels[i] as number), sorted, from) && finite;
        this.inferences += some.length;
        await macrotask();
        await between();
        if (!finite) break;
      }
      order.forEach((i, at) => {
        for (const what of ["predictions", "correct", "logLikelihood", "margin"] as const) scores[what][i] = sorted[what][at] as number;
      });
      all.push({ ...scores, uniform: null, tokens: null, choices: null, texts: null, finite });
      if (!finite) break;
    }
    return jobs.map((_, i) => all[i] ?? null);
  }

  /** Logits of one text, `[classes]` a port. */
  async answer(weights: Feeds, ports: readonly (Port & { tokens: Tokens })[], prompt: string, pair?: string): Promise<Float32Array[]> {
    const out: Float32Array[] = [];
    for (const port of ports) {
      const { values, classes } = await this.#run({ ...weights, ...port.head }, [this.#encode(port.tokens, prompt, pair)], port);
      out.push(values.subarray(0, classes));
    }
    return out;
  }

  /** Tokenised once a set, whichever candidates are scored on it. */
  #rowsOf({ set, tokens }: ClassifierJob) {
    const known = this.#encoded.get(set.samples);
    if (known && known.rows.length >= set.count) return { rows: known.rows, order: known.order.filter((i) => i < set.count) };
    const rows = set.samples.map(({ prompt, pair }) => this.#encode(tokens, prompt, pair));
    const order = rows.map((_, i) => i).sort((a, b) => (rows[a] as Encoded).ids.length - (rows[b] as Encoded).ids.length || a - b);
    this.#encoded.set(set.samples, { rows, order });
    return { rows, order: order.filter((i) => i < set.count) };
  }

  /** What is too long loses its end, but for the token that ends a row. */
  #encode(tokens: Tokens, prompt: string, pair?: string): Encoded {
    const { ids, types } = tokens.encode(prompt, pair);
    if (ids.length <= tokens.longest) return { ids, types };
    const shorter = <T>(row: readonly T[]) => [...row.slice(0, tokens.longest - 1), row.at(-1) as T];
    return { ids: shorter(ids), types: types && shorter(types) };
  }

  async #run(weights: Feeds, rows: readonly Encoded[], { output, tokens }: Port & { tokens: Tokens }) {
    const names = this.#session.inputNames;
    const twice = rows.length === 1 ? [rows[0] as Encoded, rows[0] as Encoded] : rows; // bits differ between one row and several
    const { ids, mask, length } = padded(twice.map((row) => row.ids), tokens.padId, "right");
    const dims = [twice.length, length];
    const feeds: Feeds = { ...weights, input_ids: idTensor(ids, dims) };
    if (names.includes("attention_mask")) feeds["attention_mask"] = idTensor(mask, dims);
    if (names.includes("token_type_ids")) feeds["token_type_ids"] = idTensor(padded(twice.map((row) => row.types ?? row.ids.map(() => 0)), 0, "right").ids, dims);
    const outputs = await this.#session.run(feeds, [output]);
    return take(outputs[output], output);
  }
}
