/** What a recipe's task asks of each row, once everything is known: the recipe's word first, then the source's, then what the kind means. */
import { LabError } from "../../lib/error.ts";
import { list, suggestion } from "../../lib/words.ts";
import type { RecipeTask } from "../../recipe/schema.ts";
import type { LoadedRows, RowsTold } from "../../threads/hub.ts";
import { METRIC_NAMES, type MetricName } from "../metrics/table.ts";
import type { TextKind } from "../types.ts";
import { KINDS } from "./kinds.ts";
import { Columns, onlyHole, parseTemplate, type Template } from "./template.ts";

export type Extract = "text" | "last_number" | "choice_letter" | "code" | { readonly after: string };
export type Ignored = "case" | "punctuation";

export interface TaskSpec {
  readonly id: string;
  readonly kind: TextKind;
  readonly metric: MetricName;
  readonly columns: Columns;
  readonly prompt: Template;
  readonly pair: Template | null;
  /** Empty where there are none. */
  readonly choices: readonly Template[];
  readonly answer: Template;
  readonly tests: readonly Template[];
  /** Names of what the answer's whole numbers stand for; a template where every row has its own. */
  readonly labels: readonly string[] | Template | null;
  /** By column, as the source tells: numbers are written as these names. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  readonly clean: readonly "brackets"[];
  readonly separator: string;
  readonly extract: Extract;
  readonly ignore: readonly Ignored[];
  readonly maxNewTokens: number;
  readonly stop: readonly string[];
}

/** First found counts. */
const USUAL = { prompt: ["prompt", "text"], answer: ["answer", "label"], pair: ["pair"], choices: ["choices"], tests: ["tests", "test_list"] } as const;

export function settle(task: RecipeTask, told: RowsTold, all: readonly string[], headLabels: readonly string[] | null): TaskSpec {
  const renamed = { ...(typeof task.source === "string" ? {} : task.source.columns), ...task.columns };
  const columns = new Columns(all, renamed);
  for (const [role, column] of Object.entries(renamed)) {
    if (!all.includes(column)) throw missing(task.id, `columns says that ${role} is ${column}, but its samples have no such column${suggestion(column, all)}`);
  }
  const usual = (role: keyof typeof USUAL) => USUAL[role].find((name) => columns.has(name));
  const template = (role: "prompt" | "answer"): Template => {
    const written = task[role];
    const found = usual(role);
    if (written === undefined && found === undefined) throw missing(task.id, `its samples have no column ${USUAL[role].join(" or ")}, and ${role} does not say what to take. There are ${list(all.slice(0, 30))}; write "${role}": "{{${all[0] ?? "column"}}}", say`);
    return checked(columns, parseTemplate(written ?? `{{${found ?? role}}}`), `${role} of task ${task.id}`);
  };
  const several = (role: "choices" | "tests"): Template[] => {
    const found = usual(role);
    const written = task[role] ?? (found === undefined ? [] : [`{{${found}}}`]);
    return (typeof written === "string" ? [written] : written).map((one) => checked(columns, parseTemplate(one), `${role} of task ${task.id}`));
  };
  const [prompt, answer] = [template("prompt"), template("answer")];
  const kind = task.kind ?? told.kind ?? guess(task, usual, headLabels);
  const choices = kind === "multiple_choice" ? several("choices") : [];
  const tests = kind === "code" ? several("tests") : [];
  if (kind === "multiple_choice" && choices.length === 0) throw missing(task.id, `it is multiple_choice, but its samples have no column choices, and choices does not say what to take. There are ${list(all.slice(0, 30))}`);
  if (kind === "code" && tests.length === 0) throw missing(task.id, `it is code, but its samples have no column tests, and tests does not say what to take. There are ${list(all.slice(0, 30))}`);
  const pair = task.pair ?? (usual("pair") === undefined || !isHeaded(kind) ? undefined : `{{${usual("pair")}}}`);
  return {
    id: task.id,
    kind,
    metric: metricFor(task, kind, told.metric),
    columns,
    prompt,
    pair: pair === undefined ? null : checked(columns, parseTemplate(pair), `pair of task ${task.id}`),
    choices,
    answer,
    tests,
    labels: labelsOf(task, columns, answer, told),
    names: told.labels ?? {},
    clean: task.clean ?? [],
    separator: task.separator ?? "\n\n",
    extract: task.extract ?? (told.extract === undefined ? (kind === "code" ? "code" : "text") : { after: told.extract }),
    ignore: task.ignore ?? [],
    maxNewTokens: task.max_new_tokens ?? told.maxNewTokens ?? KINDS[kind].maxNewTokens,
    stop: task.stop ?? [],
  };
}

/** The recipe's task with everything that was settled written down; a recipe made of it asks the very same. */
export function spelt(task: RecipeTask, spec: TaskSpec, found: LoadedRows["found"]): RecipeTask {
  const { kind, metric, extract, ignore, maxNewTokens, stop, separator } = spec;
  const { config, split, revision } = found ?? {};
  const source = typeof task.source === "string" || found === undefined ? task.source : { ...task.source, config, split, ...(revision === undefined ? {} : { revision }) };
  return { ...task, source, kind, metric, ...(kind === "generation" || kind === "code" ? { extract, ignore: [...ignore], max_new_tokens: maxNewTokens, stop: [...stop] } : {}), ...(task.few_shot === undefined ? {} : { separator }) };
}

export const isHeaded = (kind: TextKind): boolean => kind === "classification" || kind === "regression";

function checked(columns: Columns, template: Template, what: string): Template {
  columns.check(template, what);
  return template;
}

/** Nothing is said of the kind: choices, tests, a head, or a text as answer tell it. */
function guess(task: RecipeTask, usual: (role: keyof typeof USUAL) => string | undefined, headLabels: readonly string[] | null): TextKind {
  if (task.choices !== undefined || usual("choices") !== undefined) return "multiple_choice";
  if (task.tests !== undefined || usual("tests") !== undefined) return "code";
  if (headLabels !== null) return headLabels.length === 1 ? "regression" : "classification";
  return "generation";
}

function metricFor(task: RecipeTask, kind: TextKind, told: string | undefined): MetricName {
  const fitting: readonly MetricName[] = KINDS[kind].metrics;
  if (task.metric !== undefined) {
    if (fitting.includes(task.metric)) return task.metric;
    throw new LabError("bad-recipe", `Task ${task.id} is ${kind}, which ${task.metric} does not measure; there are ${list(fitting)}.`);
  }
  return METRIC_NAMES.find((name) => name === told && fitting.includes(name)) ?? KINDS[kind].metrics[0];
}

/** The recipe's, else what the source tells of the answer's column. */
function labelsOf(task: RecipeTask, columns: Columns, answer: Template, told: RowsTold): TaskSpec["labels"] {
  if (typeof task.labels === "string") return checked(columns, parseTemplate(task.labels), `labels of task ${task.id}`);
  if (task.labels !== undefined) return task.labels;
  const path = onlyHole(answer);
  const column = path === null ? null : columns.of(path);
  return column !== null && told.labels && Object.hasOwn(told.labels, column) ? (told.labels[column] ?? null) : null;
}

function missing(id: string, what: string): LabError {
  return new LabError("bad-samples", `Task ${id}: ${what}.`);
}
