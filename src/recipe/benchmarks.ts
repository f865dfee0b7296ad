/** Benchmarks a task may name as its preset, for programs that offer them. */
import { PRESETS } from "../fitness/tasks/presets/table.ts";
import type { TaskKind } from "./metrics.ts";

export interface Benchmark {
  readonly name: string;
  /** One line for people. */
  readonly about: string;
  readonly kind: TaskKind;
  /** On the Hub; null: the task names a file. */
  readonly source: { readonly dataset: string; readonly config?: string; readonly split: string } | null;
  /** Templates of what is asked. */
  readonly prompt: string;
  readonly pair: string;
  readonly choices: string;
  readonly answer: string;
}

export const BENCHMARKS: readonly Benchmark[] = Object.entries(PRESETS).map(([name, { about, source, fields }]) => ({
  name, about, kind: fields.kind, source: source ?? null,
  prompt: fields.prompt, pair: fields.pair ?? "", choices: typeof fields.choices === "string" ? fields.choices : (fields.choices ?? []).join(" |"), answer: fields.answer,
}));
