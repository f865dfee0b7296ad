/**
 * Murmuration as a library: `createLab(…)`, `lab.run(recipe, { signal, onEvent })`.
 * The page and the command line use this and nothing behind it.
 */
export { createLab } from "./lab.ts";
export type { FolderOptions, Lab, LabOptions, RunHandle, RunOptions } from "./lab.ts";
export { LabError, isLabError } from "./lib/error.ts";
export type { LabErrorCode } from "./lib/error.ts";
export type { DeviceInfo, LabEvent, ModelCard, OnEvent, Phase, Plane, TaskCard, TraceRow } from "./threads/events.ts";
export type { Answer, ExportedFile, Journal, LayerStatistics, Prepared, Remerged, Statistics, Which } from "./threads/merge.ts";
export type { CachedFile, DatasetSource, MountedFile, Preflight, PreflightModel, PreflightOrder, PreflightProblem, Pushed, PushProgress, PushTo, RowsPreview, RowsTold, ZooFamily } from "./threads/hub.ts";
export type { FolderFile, FolderPlan, FolderResult, SinkOrder } from "./threads/streaming.ts";
export type { Candidate } from "./search/types.ts";
export { parseRecipe, recipeJsonSchema } from "./recipe/schema.ts";
export type { Recipe, RecipeInput } from "./recipe/schema.ts";
export { BENCHMARKS } from "./recipe/benchmarks.ts";
export type { Benchmark } from "./recipe/benchmarks.ts";
export { METRICS, metricsOf, TASK_KINDS } from "./recipe/metrics.ts";
export type { MetricFacts, TaskKind } from "./recipe/metrics.ts";
export { METHOD_NAMES, methodSpec } from "./recipe/merge.ts";
export type { MergeInput, MergeOrder, MethodName, MethodSpec, ParameterSpec } from "./recipe/merge.ts";
export { readMergekit } from "./recipe/mergekit/read.ts";
export { statisticsCsv } from "./recipe/statisticsCsv.ts";
export { parseReport, reportJsonSchema, scoresCsv } from "./recipe/report.ts";
export type { Report } from "./recipe/report.ts";
export { resultSentence } from "./recipe/sentence.ts";
export { verdictOn } from "./recipe/verify.ts";
export { decodeLink, encodeLink } from "./recipe/link.ts";
export type { SharedRun } from "./recipe/link.ts";
