/** Samples of one task on one side (optimise, validate or test), ready to feed. */
export interface SampleSet {
  readonly ids: readonly string[];
  readonly labels: Int32Array;
  /** Source each sample came from (font, document), for clustered intervals; null when all are independent. */
  readonly clusters: readonly string[] | null;
  /** `[samples × channels × height × width]`, f32, preprocessed. */
  readonly pixels: Float32Array;
  readonly count: number;
}

/** What one candidate did on a run of samples of one task. */
export interface SampleScores {
  readonly predictions: Int32Array;
  /** 1 where right. */
  readonly correct: Uint8Array;
  /** Natural log of the probability given to the true label. */
  readonly logLikelihood: Float64Array;
  /** Highest logit minus the second: a flip under 1e-4 is rounding, not a change. */
  readonly margin: Float64Array;
  /** False where a logit was not a finite number. */
  readonly finite: boolean;
}

/** Score of one candidate on one task: what the search is told is `value`, a float32 (so a link can carry it exactly). */
export interface TaskScore {
  readonly value: number;
  readonly n: number;
  /** Right answers, for proportions. */
  readonly correct?: number;
}
