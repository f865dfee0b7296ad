/** Statistics of a report: docs/recipe.md says which interval stands on what. */
export { mean, percentileInterval, RESAMPLES, resampledMeans, resampledStatistic } from "./statistics/bootstrap.ts";
export { accuracyOf, intervalOf, meanInterval, pairedDifferences, verdictOf } from "./statistics/intervals.ts";
export type { ModelSamples, PairedDifference, ScoreInterval, TaskSamples, Verdict } from "./statistics/intervals.ts";
export { Binomial, Sampler } from "./statistics/sampler.ts";
export { wilson, Z95 } from "./statistics/wilson.ts";
export type { Interval } from "./statistics/wilson.ts";
