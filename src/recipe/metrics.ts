/** What a program that draws scores must know of each metric. */
import { metrics, type MetricName } from "../fitness/metrics/table.ts";
import { KIND_NAMES, KINDS } from "../fitness/tasks/kinds.ts";
import type { TextKind } from "../fitness/types.ts";

export interface MetricFacts {
  readonly title: string;
  readonly range: readonly [number, number];
  /** A share of samples: read as per cent. */
  readonly share: boolean;
  readonly lowerIsBetter: boolean;
}

export type TaskKind = TextKind;

export const METRICS: Readonly<Record<string, MetricFacts | undefined>> = Object.fromEntries(
  Object.entries(metrics).map(([name, { title, range, proportion, merit }]) => [name, { title, range, share: proportion, lowerIsBetter: merit !== undefined }]),
);

export const TASK_KINDS: readonly TaskKind[] = KIND_NAMES;

/** Metrics that make sense of what a kind of task gives, the usual one first. */
export const metricsOf = (kind: TaskKind): readonly MetricName[] => KINDS[kind].metrics;
