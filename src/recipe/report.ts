/**
 * The report: JSON that says what happened. One schema gives its types, its JSON Schema and the check of a report read
 * from a file. A reader ignores fields it does not know, so that later releases may add some.
 */
import * as z from "zod";
import { csv } from "../lib/csv.ts";
import { LabError } from "../lib/error.ts";
import { spellOut } from "./complete.ts";
import { sentences } from "./problems.ts";
import { recipeSchema, type Recipe } from "./schema.ts";

const numbers = z.array(z.number()).readonly();
const interval = z.tuple([z.number(), z.number()]).readonly();

const CANDIDATE = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("coefficients"), values: numbers }),
  z.object({ kind: z.literal("grouped"), values: z.array(numbers).readonly() }),
  z.object({ kind: z.literal("method"), method: z.string(), parameters: z.record(z.string(), z.unknown()).describe("As in a recipe's run") }),
  z.object({ kind: z.literal("resident"), particle: z.int(), step: z.int(), what: z.enum(["x", "pbest"]) }),
]);

const SCORE = z.object({
  optimise: z.number().nullable().optional().describe("On what the search saw; biased by selection, so it has no interval"),
  validate: z.number().nullable().optional(),
  test: z.number().nullable().optional().describe("On what no search saw; null when diverged"),
  n: z.int().optional().describe("Test samples"),
  correct: z.int().optional().describe("Right answers among them, for proportions"),
  interval: interval.nullable().optional().describe("95 %, of test"),
  how: z.string().optional().describe("wilson, bootstrap …, clustered bootstrap …"),
});

const DIFFERENCE = z.object({
  a: z.string(),
  b: z.string(),
  task: z.string().describe("Task id, or mean"),
  estimate: z.number().describe("a − b, on test; of perplexities: of their inverses, so that above 0 is better everywhere"),
  interval: interval.describe("95 %, paired"),
  verdict: z.enum(["better", "worse", "open"]).describe("better or worse only where the interval leaves out 0"),
  how: z.string(),
});

const TRACE_ROW = z.object({
  run: z.string().optional(),
  evaluation: z.int(),
  step: z.int(),
  particle: z.int(),
  origin: z.string(),
  fitness: z.number().nullable().describe("null when diverged"),
  tasks: z.record(z.string(), z.number()).describe("What the search was told of each task, on optimise"),
  counts: z.record(z.string(), z.int()).optional().describe("Right answers a task"),
  candidate: CANDIDATE,
  personalBest: z.boolean(),
  globalBest: z.boolean(),
  diverged: z.literal(true).optional(),
  stopped: z.int().optional().describe("Samples scored before it was clear that it could not become a best"),
});

const RUN = z.object({
  id: z.string(),
  method: z.string().optional(),
  parameters: z.record(z.string(), z.unknown()).optional().describe("Of a data-free merge, as in the recipe"),
  digest: z.string().describe("sha256:… over what determines the trace; of folders merged, over the digests of the weights"),
  basis: z.array(z.string()).readonly().describe("Columns of every row of coefficients"),
  groups: z.array(z.string()).readonly().describe("all, or the tensors that have rows of their own"),
  trace: z.array(TRACE_ROW).readonly(),
  best: z.object({ evaluation: z.int(), step: z.int(), particle: z.int(), candidate: CANDIDATE }).nullable(),
  stopped: z.literal(true).optional().describe("Somebody ended it early"),
  cost: z.object({
    proposals: z.int().describe("Candidates asked for"),
    evaluations: z.int().describe("Candidates scored at least in part"),
    inferences: z.int().describe("Samples through a model"),
    wallMs: z.number(),
    runtimeMs: z.number().describe("Of that inside the runtime"),
  }),
});

const DEVICE = z.object({
  adapter: z.string(),
  architecture: z.string().optional(),
  kernels: z.string(),
  runtime: z.string(),
  isFallback: z.boolean(),
  threads: z.number(),
  browser: z.string(),
  versions: z.record(z.string(), z.string()),
});

const VERIFICATION = z.object({
  run: z.string(),
  evaluation: z.int(),
  task: z.string().nullable().describe("null: the whole evaluation, where only one side diverged"),
  kind: z.enum(["flip", "mismatch"]).describe("flip: explained by samples whose margin is under 1e-4"),
  measured: z.enum(["count", "value", "diverged"]),
  shared: z.number().nullable(),
  local: z.number().nullable(),
  samples: z.array(z.string()).readonly().optional().describe("The samples that may have flipped"),
});

const WARNING = z.object({ code: z.string(), message: z.string(), tensors: z.int().optional(), details: z.unknown().optional() });

const FILE = z.object({ path: z.string(), bytes: z.number(), sha256: z.string() });

const COST = z.object({
  wallMs: z.number(),
  runtimeMs: z.number(),
  downloadBytes: z.number(),
  modelBytes: z.number(),
  gpuBytesPeak: z.number(),
  heapBytesPeak: z.number().describe("Of folders merged: of all buffers"),
  readBytes: z.number().optional().describe("Of folders merged, what is read twice counted twice"),
  writeBytes: z.number().optional(),
});

/** The recipe inside is checked by its own schema, with its own messages. */
const SHAPE = {
  murmuration: z.literal(1).default(1).describe("Version of the format"),
  device: DEVICE,
  scores: z.record(z.string(), z.record(z.string(), SCORE)).describe("By model (base, expert, run, comparison), then by task, and mean"),
  differences: z.array(DIFFERENCE).readonly(),
  runs: z.array(RUN).readonly(),
  formulas: z.record(z.string(), z.string()).optional().describe("Of each data-free merge among runs and comparisons, its numbers filled in; a tuned one as it was chosen"),
  cost: COST,
  warnings: z.array(WARNING).readonly(),
  files: z.array(FILE).readonly(),
  verification: z.array(VERIFICATION).readonly().optional().describe("After verifying: what was not equal; empty when all was"),
};

export const reportSchema = z.object({ recipe: recipeSchema.required({ base: true }), ...SHAPE });

export type Score = z.output<typeof SCORE>;
export type Difference = z.output<typeof DIFFERENCE>;
export type ReportTraceRow = z.output<typeof TRACE_ROW>;
export type ReportRun = z.output<typeof RUN>;
export type Verification = z.output<typeof VERIFICATION>;
export type ReportFile = z.output<typeof FILE>;
export type ReportWarning = z.output<typeof WARNING>;
export type ReportCost = z.output<typeof COST>;
export type Report = Omit<z.output<typeof reportSchema>, "recipe"> & { recipe: Recipe };

/** Checks a report that comes from a file. */
export function parseReport(input: unknown): Report {
  const parsed = reportSchema.safeParse(input, { reportInput: true });
  const problems = parsed.success ? [] : sentences(parsed.error).slice(0, 5);
  const recipe = parsed.success ? spellOut(parsed.data.recipe, problems) : null;
  if (parsed.success && recipe !== null) return { ...parsed.data, recipe };
  throw new LabError("bad-arguments", `This is no report of Murmuration. ${problems.join(" ")}`, { details: { problems } });
}

/** As of the recipe's: `reused` written once, or everywhere. */
export function reportJsonSchema(reused: "ref" | "inline" = "ref"): Record<string, unknown> {
  const json = z.toJSONSchema(reportSchema, { io: "input", target: "draft-2020-12", reused });
  return { $id: "report.schema.json", title: "Murmuration report, version 1", ...json };
}

/** Scores as a table for spreadsheets: one line a model and task. */
export function scoresCsv(report: Pick<Report, "scores">): string {
  const rows = Object.entries(report.scores).flatMap(([model, tasks]) => Object.entries(tasks).map(([task, s]) => [model, task, s.optimise, s.validate, s.test, s.n, s.interval?.[0], s.interval?.[1], s.how]));
  return csv([["model", "task", "optimise", "validate", "test", "n", "low", "high", "how"], ...rows]);
}
