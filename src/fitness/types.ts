/** Samples as evaluators take them, tasks of texts as they are asked, and what a candidate did on samples. Types only. */

interface Samples {
  readonly ids: readonly string[];
  /** Source each sample came from (font, document), for clustered intervals; null when all are independent. */
  readonly clusters: readonly string[] | null;
  readonly count: number;
}

export interface PictureSet extends Samples {
  readonly kind: "pictures";
  /** Class of each. */
  readonly labels: Int32Array;
  /** `[samples × channels × height × width]`, f32, preprocessed. */
  readonly pixels: Float32Array;
}

export interface TextSet extends Samples {
  readonly kind: "texts";
  /** Class, number, or the right choice of each; 1 where a text is generated and is right or not. */
  readonly labels: Float64Array;
  readonly samples: readonly TextSample[];
}

/** Samples of one task on one side (optimise, validate or test), ready to be scored. */
export type SampleSet = PictureSet | TextSet;

/**
 * classification, regression: an encoder with a head reads `prompt` (and `pair`) and gives logits, or one number.
 * multiple_choice: how likely is each of `choices` behind `prompt`. generation: what follows `prompt`, held against `answer`.
 * code: the same, run against `tests`. likelihood: how likely `answer` is behind `prompt` (perplexity), nothing is generated.
 */
export type TextKind = "classification" | "regression" | "multiple_choice" | "generation" | "code" | "likelihood";

/** One sample, its template filled in: what goes into the tokenizer is what stands here. */
export interface TextSample {
  readonly prompt: string;
  /** Second text of a pair, where a classifier takes two. */
  readonly pair?: string;
  /** Texts that follow the prompt as they are, blank in front included. */
  readonly choices?: readonly string[];
  /** Positions of right choices; one, but for questions with several right answers (TruthfulQA MC2). */
  readonly right?: readonly number[];
  /** Text that must come out; what likelihood is measured of. */
  readonly answer?: string;
  /** Python that raises where generated code is wrong. */
  readonly tests?: readonly string[];
}

/** How a task of texts is asked and judged; settled once from recipe, source and preset. */
export interface TextTask {
  readonly kind: TextKind;
  /** Names of classes, in the head's order; empty where there are none. */
  readonly labels: readonly string[];
  /** Tokens generated at most. */
  readonly maxNewTokens: number;
  /** Generated text ends before the first of these. */
  readonly stop: readonly string[];
  /** Generated text → right or not, and what was read out of it. Runs code where the task is code. */
  judge(text: string, sample: TextSample): { right: boolean; read: string } | Promise<{ right: boolean; read: string }>;
}

/** What one candidate did on a run of samples of one task. */
export interface SampleScores {
  /** Class, choice or number; 1 (right) or 0 where a text was generated. NaN: nothing is predicted (likelihood). */
  readonly predictions: Float64Array;
  /** 1 where right. */
  readonly correct: Uint8Array;
  /** Natural log of the probability given to the true class, choice or answer; NaN where none was measured. */
  readonly logLikelihood: Float64Array;
  /** Highest logit minus the second, or least such over a generated text: a flip under 1e-4 is rounding, not a change. */
  readonly margin: Float64Array;
  /** Nats of a uniform guess: ln(classes or choices), or tokens of the answer · ln(vocabulary). null: ln(classes) everywhere. */
  readonly uniform: Float64Array | null;
  /** Tokens that `logLikelihood` is over, where it is over tokens. */
  readonly tokens: Float64Array | null;
  /** Multiple choice: log-likelihood of each choice, plain and a character; by sample. */
  readonly choices: readonly ChoiceScores[] | null;
  /** What was generated, cut at a stop. */
  readonly texts: readonly string[] | null;
  /** False where a logit was not a finite number. */
  readonly finite: boolean;
}

export interface ChoiceScores {
  /** Sum of log-probabilities of each choice's tokens. */
  readonly sums: readonly number[];
  /** Characters of each choice, its leading blank left out: what normalised choices are divided by. */
  readonly lengths: readonly number[];
}

/** Score of one candidate on one task: what the search is told is `value`, a float32 (so a link can carry it exactly). */
export interface TaskScore {
  readonly value: number;
  readonly n: number;
  /** Right answers, for proportions. */
  readonly correct?: number;
}
