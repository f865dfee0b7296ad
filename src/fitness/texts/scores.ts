/** Scores of one candidate on texts, a task at a time: what a speaker writes or finds likely, and what a classifier says. */
import { readLogits } from "../logits.ts";
import type { ChoiceScores, SampleScores, TextSample, TextSet, TextTask } from "../types.ts";
import type { Speaker, Voices } from "./language.ts";

/** A candidate is scored for what is asked of it: a search on log-likelihoods need not write a single text. */
export interface Needs {
  readonly metric: boolean;
  readonly likelihood: boolean;
}

export interface TextJob {
  readonly set: TextSet;
  readonly task: TextTask;
  readonly needs: Needs;
}

export interface Spoken {
  readonly speaker: Speaker;
  readonly voices: Voices;
  /** Samples through the model at once. */
  readonly batch: number;
  /** Awaited between batches: pausing and cancelling happen there. `samples`: how many were done. */
  between(samples: number): Promise<void>;
}

export async function scoreSpoken(spoken: Spoken, { set, task, needs }: TextJob): Promise<SampleScores> {
  const scores = emptyScores(set.count);
  let finite = true;
  const choices: ChoiceScores[] = [];
  const texts: string[] = [];
  const [uniform, tokens] = [new Float64Array(set.count), new Float64Array(set.count)];
  for (const { from, to } of evenly(set.count, spoken.batch)) {
    const samples = set.samples.slice(from, to);
    if (task.kind === "multiple_choice") finite = (await choose(spoken, samples, from, scores, choices, uniform)) && finite;
    else {
      if (task.kind !== "likelihood" && needs.metric) finite = (await write(spoken, task, samples, from, scores, texts)) && finite;
      if (task.kind === "likelihood" || needs.likelihood) finite = (await weigh(spoken, samples, from, scores, uniform, tokens)) && finite;
    }
    await spoken.between(to - from);
    if (!finite) break;
  }
  const measured = task.kind === "multiple_choice" || task.kind === "likelihood" || needs.likelihood;
  return {
    ...scores, finite,
    uniform: measured ? uniform : null,
    tokens: measured && task.kind !== "multiple_choice" ? tokens : null,
    choices: task.kind === "multiple_choice" ? choices : null,
    texts: texts.length > 0 ? texts : null,
  };
}

type Scores = Pick<SampleScores, "predictions" | "correct" | "logLikelihood" | "margin">;

export const emptyScores = (count: number): Scores => ({
  predictions: new Float64Array(count).fill(NaN), correct: new Uint8Array(count), logLikelihood: new Float64Array(count).fill(NaN), margin: new Float64Array(count).fill(Infinity),
});

/** Parts of nearly equal size, none larger than `most`: no remainder of a single sample, whose bits would differ. */
export function evenly(count: number, most: number): { from: number; to: number }[] {
  const parts = Math.ceil(count / most);
  return Array.from({ length: parts }, (_, i) => ({ from: Math.round((i * count) / parts), to: Math.round(((i + 1) * count) / parts) }));
}

async function choose({ speaker, voices, batch }: Spoken, samples: readonly TextSample[], at: number, scores: Scores, out: ChoiceScores[], uniform: Float64Array): Promise<boolean> {
  const pairs = samples.flatMap(({ prompt, choices = [] }) => choices.map((text) => ({ prompt, text })));
  const { sums, finite } = await speaker.likelihoods(voices, pairs, 4 * batch);
  let next = 0;
  samples.forEach(({ choices = [], right = [] }, i) => {
    const own = sums.slice(next, (next += choices.length));
    const [first = -Infinity, second = -Infinity] = [...own].sort((a, b) => b - a);
    const best = own.indexOf(first);
    scores.predictions[at + i] = best;
    scores.correct[at + i] = right.includes(best) ? 1 : 0;
    scores.logLikelihood[at + i] = logShare(own, right[0] ?? 0);
    scores.margin[at + i] = first - second;
    uniform[at + i] = Math.log(choices.length);
    out.push({ sums: own, lengths: choices.map((text) => text.trimStart().length) });
  });
  return finite;
}

/** Of one choice among all: its log-probability were one of them sure to be said. */
function logShare(sums: readonly number[], which: number): number {
  const highest = Math.max(...sums);
  return (sums[which] ?? NaN) - highest - Math.log(sums.reduce((total, sum) => total + Math.exp(sum - highest), 0));
}

async function write({ speaker, voices }: Spoken, task: TextTask, samples: readonly TextSample[], at: number, scores: Scores, out: string[]): Promise<boolean> {
  const { texts, margins, finite } = await speaker.generate(voices, samples.map(({ prompt }) => prompt), task.maxNewTokens);
  for (const [i, sample] of samples.entries()) {
    const text = cut(texts[i] as string, task.stop);
    const { right } = await task.judge(text, sample);
    out.push(text);
    scores.predictions[at + i] = scores.correct[at + i] = right ? 1 : 0;
    scores.margin[at + i] = margins[i] as number;
  }
  return finite;
}

/** Before the first of `stops`. */
export function cut(text: string, stops: readonly string[]): string {
  const ends = stops.map((stop) => text.indexOf(stop)).filter((place) => place !== -1);
  return ends.length > 0 ? text.slice(0, Math.min(...ends)) : text;
}

async function weigh({ speaker, voices, batch }: Spoken, samples: readonly TextSample[], at: number, scores: Scores, uniform: Float64Array, tokens: Float64Array): Promise<boolean> {
  const found = await speaker.likelihoods(voices, samples.map(({ prompt, answer = "" }) => ({ prompt, text: answer })), 2 * batch);
  samples.forEach((_, i) => {
    scores.logLikelihood[at + i] = found.sums[i] as number;
    tokens[at + i] = found.tokens[i] as number;
    uniform[at + i] = (found.tokens[i] as number) * Math.log(speaker.vocabulary);
  });
  return found.finite;
}

/** Rows of `classes` logits of a classifier, or of one number, for samples from `at` on. False where one is not finite. */
export function readClasses(task: TextTask, values: Float32Array, classes: number, labels: Float64Array, scores: Scores, at: number): boolean {
  if (task.kind !== "regression") return readLogits(values, classes, Int32Array.from(labels), scores, at);
  let finite = true;
  for (let row = 0; row < labels.length; row++) {
    const value = values[row * classes] as number;
    finite &&= Number.isFinite(value);
    scores.predictions[at + row] = value;
  }
  return finite;
}
