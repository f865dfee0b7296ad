/** A benchmark as a recipe's task would spell it out. What the task itself says counts over it. */
import type { MetricName } from "../../metrics/table.ts";
import type { TextKind } from "../../types.ts";
import type { Cleaner } from "../clean.ts";
import type { Extract, Ignored } from "../settle.ts";

export interface Preset {
  /** One line for people: the benchmark, and how it is asked here. */
  readonly about: string;
  /** Left out where the Hub has no dataset of it: the task names a file. */
  readonly source?: { readonly dataset: string; readonly config?: string; readonly split: string; readonly shots?: string };
  /** Where the benchmark has too few rows for the usual ones. */
  readonly counts?: { readonly optimise?: number; readonly test?: number };
  readonly fields: {
    readonly kind: TextKind;
    readonly metric: MetricName;
    readonly columns?: Readonly<Record<string, string>>;
    readonly prompt: string;
    readonly pair?: string;
    readonly choices?: string | readonly string[];
    readonly answer: string;
    readonly tests?: string | readonly string[];
    readonly labels?: string | readonly string[];
    readonly clean?: readonly Cleaner[];
    readonly few_shot?: number | readonly Readonly<Record<string, unknown>>[];
    readonly few_shot_by?: string;
    readonly separator?: string;
    readonly extract?: Extract;
    readonly ignore?: readonly Ignored[];
    readonly max_new_tokens?: number;
    readonly stop?: readonly string[];
  };
}
