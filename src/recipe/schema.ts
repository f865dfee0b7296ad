/**
 * The recipe: JSON that determines what is done. This schema is the one source of its types, validation, documentation
 * and JSON Schema. What people write is `RecipeInput`; `parseRecipe` gives a `Recipe` with every default spelled out.
 */
import * as z from "zod";
import { LabError } from "../lib/error.ts";
import { choice, count, fields, id, must } from "../lib/fields.ts";
import { figure } from "../lib/words.ts";
import { crossCheck } from "./check.ts";
import { expand, lacksBase, NO_BASE, spellOut } from "./complete.ts";
import { BASE, EXPERT } from "./models.ts";
import { plainJson } from "./plain.ts";
import { sentences } from "./problems.ts";
import { COMPARISON, RUN } from "./runs.ts";
import { measure, TASK, type Task } from "./tasks.ts";
import { TOKENIZER, tokenizerSource } from "./tokenizer.ts";

/** Version of the format; what a change of it means is in docs/recipe.md. */
export const RECIPE_VERSION = 1;

function several<T extends z.ZodType>(what: string, item: T, low: number, high: number) {
  const says = must(`must be a list of ${low} to ${figure(high)} ${what}`);
  return z.array(item, says).min(low, says).max(high, says);
}

const SHAPE = {
  murmuration: z.literal(RECIPE_VERSION, { error: () => `must be ${RECIPE_VERSION}, the version of the format that this release reads` })
    .describe("Version of the format"),
  title: z.string(must("must be text")).max(200, must("must be at most 200 characters")).default("").describe("For people"),
  base: BASE.optional().describe("The model that all experts were fine-tuned from; may be left out of a merge without tasks whose method needs none"),
  experts: several("experts", EXPERT, 1, 64).describe("Fine-tuned models to merge"),
  tasks: several("tasks", TASK, 0, 64).default([]).describe("What is scored; none: folders of safetensors are merged and nothing is scored"),
  fitness: fields({
    measure: measure().default("metric").describe("metric, or log_likelihood: 1 − nats / nats of a uniform guess"),
    aggregate: choice(["mean", "normalised", "worst"]).default("mean").describe("How tasks become one number"),
  }).prefault({}).describe("What a search climbs"),
  runs: several("runs", RUN, 0, 32).default([]).describe("Searches, and data-free merges"),
  compare: several("comparisons", COMPARISON, 0, 32).default([]).describe("Data-free merges to stand beside the runs"),
  export: id().nullable().default(null).describe("Run or comparison to write; the first one unless given"),
  dtype: choice(["float32", "float16", "bfloat16"]).optional().describe("Type that merges without tasks compute in, as mergekit does; that of the models unless given"),
  out_dtype: choice(["float32", "float16", "bfloat16", "auto"]).default("float32")
    .describe("The winner is rounded to it before it is scored and written; auto: as it was computed, without tasks only"),
  tokenizer_source: tokenizerSource().optional(),
  tokenizer: TOKENIZER.optional().describe("tokenizer_source, and more said of single tokens"),
  chat_template: z.string(must("must be text")).max(1_000_000, must("must be at most a million characters")).optional()
    .describe("Template that is written beside the tokenizer; auto: the one that most models have"),
  seeds: fields({
    samples: count(0, Number.MAX_SAFE_INTEGER).default(1).describe("Which samples are drawn"),
    search: count(0, Number.MAX_SAFE_INTEGER).default(7).describe("Masks and searches"),
  }).prefault({}).describe("Every random number comes from these"),
  batch: count(1, 4096).optional().describe("Samples through the model at once; the family's own unless given"),
};

export const recipeSchema = fields(SHAPE);

/** The short form and `$schema` exist only in what people write. */
const SHORT = {
  $schema: z.string().optional().describe("Address of this schema, for editors"),
  method: z.string().optional().describe("Short for one run, in place of runs"),
  parameters: z.record(z.string(), z.unknown()).optional().describe("Parameters of the run that method stands for"),
};

/** As the schema gives it, before what follows from the rest is spelt out. */
export type Draft = z.output<typeof recipeSchema>;
type FullInput = z.input<typeof recipeSchema>;

/** A recipe with its defaults spelled out. */
export type Recipe = Omit<Draft, "base" | "tasks"> & { base: NonNullable<Draft["base"]>; tasks: Task[] };
/** What people write. */
export type RecipeInput =
  | (FullInput & { $schema?: string })
  | (Omit<FullInput, "runs"> & { $schema?: string; method: string; parameters?: Record<string, unknown> });

export type RecipeRun = Recipe["runs"][number];
export type RecipeComparison = Recipe["compare"][number];
export type RecipeTask = Recipe["tasks"][number];
export type RecipeExpert = Recipe["experts"][number];
/** auto: as it was computed; only without tasks. */
export type OutDtype = Recipe["out_dtype"];

/** Checks everything at the door; all problems come in one error, a sentence each. */
export function parseRecipe(input: unknown): Recipe {
  const problems: string[] = [];
  const written = expand(plainJson(input, problems), problems);
  if (problems.length > 0) throw badRecipe(problems);
  const parsed = recipeSchema.safeParse(written, { reportInput: true });
  if (!parsed.success) throw badRecipe([...sentences(parsed.error), ...(lacksBase(written) ? [NO_BASE] : [])]);
  const recipe = spellOut(parsed.data, problems);
  if (recipe === null) throw badRecipe(problems);
  crossCheck(recipe, problems);
  if (problems.length > 0) throw badRecipe(problems.map((problem) => (/[.?]$/.test(problem) ? problem : `${problem}.`)));
  return recipe;
}

function badRecipe(problems: readonly string[]): LabError {
  const shown = problems.slice(0, 20);
  if (problems.length > shown.length) shown.push(`There are ${problems.length - shown.length} more problems.`);
  return new LabError("bad-recipe", shown.join("\n"), { details: { problems: shown } });
}

/** `reused`: what stands in many places is written once, under $defs, or everywhere. */
export function recipeJsonSchema(reused: "ref" | "inline" = "ref"): Record<string, unknown> {
  const json = z.toJSONSchema(fields({ ...SHORT, ...SHAPE }), { io: "input", target: "draft-2020-12", reused });
  return { $id: "recipe.schema.json", title: "Murmuration recipe, version 1", ...json };
}
