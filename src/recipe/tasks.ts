/** The recipe's tasks: what is scored, on which samples, by which metric. */
import * as z from "zod";
import { METRIC_NAMES, type MetricName } from "../fitness/metrics/table.ts";
import { CLEANER_NAMES } from "../fitness/tasks/clean.ts";
import { KIND_NAMES } from "../fitness/tasks/kinds.ts";
import type { Preset } from "../fitness/tasks/presets/preset.ts";
import { PRESET_NAMES, presetOf } from "../fitness/tasks/presets/table.ts";
import { templateProblem } from "../fitness/tasks/template.ts";
import { between, choice, count, fields, id, must } from "../lib/fields.ts";
import { show, suggestion } from "../lib/words.ts";
import { reference, resolved } from "./models.ts";

/** Most samples of one task on one side. */
export const MOST_SAMPLES = 1_000_000;

const text = () => z.string(must("must be text")).min(1, must("must not be empty")).max(200, must("must be at most 200 characters"));

const samples = () =>
  z.union(
    [count(0, MOST_SAMPLES), z.array(text()).max(MOST_SAMPLES, must("must be at most 1,000,000 sample ids"))],
    must("must be a whole number from 0 to 1,000,000 or a list of sample ids"),
  );

const metric = z.enum(METRIC_NAMES as [MetricName, ...MetricName[]], {
  error: ({ input }) => {
    if (typeof input !== "string") return `must be the name of a metric, not ${show(input)}`;
    return `names ${show(input)}, which is no metric${suggestion(input, METRIC_NAMES)}`;
  },
});

export const measure = () => choice(["metric", "log_likelihood"]);

/** Text with {{column}} in it. */
const template = () => {
  const says = must("must be a template of 1 to 20,000 characters");
  return z.string(says).min(1, says).max(20_000, says).refine((written) => templateProblem(written) === null, { error: ({ input }) => templateProblem(String(input)) ?? "cannot be read" });
};
const several = <T extends z.ZodType>(item: T, most: number, what: string, low = 1) => {
  const says = must(`must be a list of ${low} to ${most} ${what}`);
  return z.array(item, says).min(low, says).max(most, says);
};
const templates = () => z.union([template(), several(template(), 100, "templates")], must("must be a template or a list of templates"));
const piece = (most: number) => z.string(must("must be text")).max(most, must(`must be at most ${most} characters`));
const marker = () => piece(200).min(1, must("must not be empty"));

function columns() {
  return z.record(text(), text(), must("must be an object of column names"));
}

const SOURCE = z.union(
  [
    reference(),
    fields({
      dataset: z.string(must("must be owner/name")).regex(/^[\w.-]{1,96}\/[\w.-]{1,96}$/, must("must be owner/name")).optional().describe("Dataset on the Hub, owner/name; the preset's unless given"),
      config: text().optional().describe("Configuration of the dataset; its only or default one unless given"),
      split: text().optional().describe("Its split, as the Hub names it; the only one, validation or test unless given"),
      shots: text().optional().describe("Split that few-shot examples are taken from; the same unless given"),
      columns: columns().optional().describe("As the task's"),
      ...resolved,
    }),
  ],
  must("must be a sample set (zoo/family/name or a path) or an object with dataset, config, split, columns"),
);

/** Unless a task says otherwise, or its preset, where the benchmark has fewer. */
const COUNTS = { optimise: 50, validate: 0, test: 500 } as const;

export const TASK = fields({
  id: id().describe("Name of the task in the report"),
  head: id().optional().describe("Expert whose head and preprocessing score it; left out where the model needs none"),
  source: SOURCE.optional().describe("Where its samples come from; may be left out where a preset names a dataset"),
  preset: z.string(must("must be text")).optional().describe("Name of a benchmark that the fields below are taken from where they are not given"),
  kind: choice(KIND_NAMES).optional().describe("What a task of texts asks for; what its source tells unless given"),
  columns: columns().optional().describe("What templates call a column: { \"text\": \"sentence\" } lets {{text}} stand for the column sentence"),
  prompt: template().optional().describe("Template of what the model reads; {{prompt}} or {{text}} unless given"),
  pair: template().optional().describe("Template of the second text, where a classifier reads two"),
  choices: templates().optional().describe("Template of what may follow, blank in front included; one that names a list stands for each of its values. {{choices}} unless given"),
  answer: template().optional().describe("Template of the text that must come out, or the column that tells the class, number or right choice; {{answer}} or {{label}} unless given"),
  tests: templates().optional().describe("Templates of Python that raises where generated code is wrong; {{tests}} or {{test_list}} unless given"),
  labels: z.union([template(), several(piece(200), 10_000, "texts")], must("must be a template or a list of texts")).optional().describe("Names of what the answer's whole numbers stand for; what its source tells unless given"),
  clean: several(choice(CLEANER_NAMES), CLEANER_NAMES.length, "names", 0).optional().describe("What is taken out of texts; brackets: marks such as [header]"),
  few_shot: z.union([count(0, 64), several(z.record(z.string().max(200), z.unknown()), 64, "rows", 0)], must("must be a whole number from 0 to 64 or a list of rows")).optional().describe("Worked examples before each prompt: how many, drawn from samples on no side, or rows as they stand"),
  few_shot_by: text().optional().describe("Column in which a sample and its examples are alike: a subject, say"),
  separator: piece(200).optional().describe("Between examples and prompt; an empty line unless given"),
  extract: z.union([choice(["text", "last_number", "choice_letter", "code"]), fields({ after: marker().describe("What counts stands behind the last of these") })], must('must be text, last_number, choice_letter, code, or { "after": "####" }')).optional().describe("What of a generated text is the answer; all of it, trimmed, unless given"),
  ignore: several(choice(["case", "punctuation"]), 2, "of case and punctuation", 0).optional().describe("What makes no difference between a text and its answer"),
  max_new_tokens: count(1, 4096).optional().describe("Tokens generated at most; what its source tells, or 32, unless given (code: 256)"),
  stop: several(marker(), 16, "texts", 0).optional().describe("A generated text ends before the first of these"),
  metric: metric.optional().describe("What its source or kind says unless given, which for classes is accuracy; higher is better but for perplexity"),
  measure: measure().optional().describe("What the search is told of this task, over fitness.measure"),
  optimise: samples().optional().meta({ default: COUNTS.optimise }).describe("Samples a search sees: how many, or which ids; 0: scored, not searched"),
  validate: samples().optional().meta({ default: COUNTS.validate }).describe("Samples that choose among a search's bests"),
  test: samples().optional().meta({ default: COUNTS.test }).describe("Samples no search sees"),
  weight: between(0, 1_000_000).default(1).describe("Weight in the mean over tasks"),
});

/** As the schema gives it, before the preset is spelt out. */
export type TaskDraft = z.output<typeof TASK>;
type DraftSource = NonNullable<TaskDraft["source"]>;
export type TaskSource = Exclude<DraftSource, object> | (Exclude<DraftSource, string> & { dataset: string });
type Samples = NonNullable<TaskDraft["test"]>;
export type Task = Omit<TaskDraft, "source" | "optimise" | "validate" | "test"> & { source: TaskSource; optimise: Samples; validate: Samples; test: Samples };

/** What a preset says is written down where the task does not say it, and the preset goes: a recipe means the same when presets change. */
export function spellOutTask({ preset, ...written }: TaskDraft, path: string, problems: string[]): Task | null {
  const known = preset === undefined ? null : presetOf(preset);
  if (preset !== undefined && known === null) {
    problems.push(`${path}.preset names ${show(preset)}, which there is not${suggestion(preset, PRESET_NAMES)}`);
    return null;
  }
  const source = joined(written.source, known);
  if (source === null) {
    const what = typeof written.source === "object" ? "source.dataset is missing: it must be owner/name" : "source is missing: it must say where the samples come from";
    problems.push(`${path}.${what}${known ? `, since ${preset} is in no dataset of the Hub` : ""}.`);
    return null;
  }
  const given = Object.fromEntries(Object.entries(written).filter(([, value]) => value !== undefined)) as Omit<TaskDraft, "source" | "preset">;
  const spelt: Task = { ...COUNTS, ...(known?.fields as Partial<TaskDraft> | undefined), ...known?.counts, ...given, source };
  // In the schema's order, whoever said it.
  return Object.fromEntries(Object.keys(TASK.shape).flatMap((name) => (name in spelt ? [[name, spelt[name as keyof Task]]] : []))) as unknown as Task;
}

/** The task's own source, its gaps filled by the preset's where both are datasets. */
function joined(written: TaskDraft["source"], preset: Preset | null): TaskSource | null {
  if (typeof written === "string") return written;
  const dataset = written?.dataset ?? preset?.source?.dataset;
  if (dataset === undefined) return null;
  return { ...(written?.dataset === undefined || written.dataset === preset?.source?.dataset ? preset?.source : {}), ...written, dataset };
}
