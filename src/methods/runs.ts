/**
 * Data-free merges that a recipe may ask for, under `runs` and `compare`. Every parameter of a method may vary (src/lib/settings.ts): those of
 * the whole merge stand in the run; those of each model stand at the model, and in the run for all models that have none of their own.
 */
import * as z from "zod";
import { byExpert, choice, count, fields, id, must, runFields } from "../lib/fields.ts";
import { setting, type Scalar, type Setting } from "../lib/settings.ts";
import { type MethodName, METHOD_NAMES, methodSpec } from "./fields.ts";
import type { MethodSpec, ParameterSpec } from "./spec.ts";

/** Parameters that belong to one model, by mergekit's names; the bounds of each are in src/methods. */
export const PER_MODEL = ["weight", "density", "gamma", "epsilon", "scale"] as const;
export type ModelParameters = { readonly [name in PerModel]?: Setting<number> | undefined };
type PerModel = (typeof PER_MODEL)[number];

/** Without effect, so a recipe never says them. */
const INERT: Readonly<Record<string, readonly string[]>> = { task_arithmetic: ["density", "rescale", "rescaling"] };

export function isInert(method: string, parameter: string): boolean {
  return parameter === "int8_mask" || (INERT[method] ?? []).includes(parameter);
}

const saysRange = must("must be [first, end], whole numbers with first below end");
const layer = () => z.int(saysRange).min(0, saysRange).max(100_000, saysRange);
const few = <T extends z.ZodType>(what: string, item: T) => z.array(item, must(`must be a list of ${what}`)).min(1, must(`must be a list of ${what}`)).max(10_000, must(`must be a list of at most 10,000 ${what}`));

/** What of `fields` a recipe may say, each as a setting, none of them needed. `open`: a number may be left to be tuned. */
function settings(method: string, parameters: MethodSpec["whole"], without: readonly string[] = [], open = false): Record<string, z.ZodType> {
  const said = Object.entries(parameters).filter(([name]) => !isInert(method, name) && !without.includes(name));
  return Object.fromEntries(said.map(([name, parameter]) => [name, (open && parameter.kind === "number" ? orTuned : optional)(parameter)]));
}

function plainField({ field }: ParameterSpec): z.ZodType<Scalar> {
  let inner = field;
  while (inner instanceof z.ZodDefault || inner instanceof z.ZodOptional) inner = inner.unwrap() as z.ZodType;
  return inner as z.ZodType<Scalar>;
}

/** One instance a parameter, wherever it may stand: the JSON Schema then says it once. */
const made = new WeakMap<z.ZodType, z.ZodType>();

function optional(parameter: ParameterSpec): z.ZodType {
  const known = made.get(parameter.field);
  if (known !== undefined) return known;
  const plain = plainField(parameter);
  const field = (parameter.kind === "choice" ? plain : setting(plain)).optional().describe(parameter.description);
  made.set(parameter.field, field);
  return field;
}

const tunable = new WeakMap<z.ZodType, z.ZodType>();

/** The same, or an interval that it is swept over. */
function orTuned(parameter: ParameterSpec): z.ZodType {
  const known = tunable.get(parameter.field);
  if (known !== undefined) return known;
  const plain = plainField(parameter);
  if (!plain.safeParse(0.5).success) return optional(parameter); // whole numbers are not swept
  const interval = fields({
    tune: z.tuple([plain, plain], must("must be two numbers: [low, high]")).describe("Interval that is swept"),
    evaluations: count(1, 100_000).default(30).describe("Values tried, half evenly over the interval, half next to the best of those"),
  });
  const says = must('must be a number, a setting over layers and filters, or { "tune": [low, high], "evaluations": n }');
  const field = z.union([setting(plain), interval], says).optional().describe(parameter.description);
  tunable.set(parameter.field, field);
  return field;
}

/** The union of what any method takes at a model. */
export function perModelFields(): Record<string, z.ZodType> {
  const any = Object.assign({}, ...METHOD_NAMES.map((name) => methodSpec(name).perModel)) as MethodSpec["perModel"];
  return settings("", any);
}

function sliceFields(method: string) {
  const { perModel, whole } = methodSpec(method);
  const source = fields({
    model: id().describe("An expert's id, or base"),
    layer_range: z
      .tuple([layer(), layer()], saysRange)
      .refine(([first, end]) => first < end, saysRange)
      .describe("First layer, and the one after the last"),
    parameters: fields(settings(method, perModel)).optional().describe("Of this model in this slice, over its own"),
  });
  return fields({
    sources: few("sources", source).describe("Models whose layers are merged; equally many layers of each"),
    base_model: id().nullable().optional().describe("Base of this slice, over the run's"),
    parameters: fields({ ...settings(method, whole), ...settings(method, perModel) }).optional().describe("Of this slice, over the run's"),
  });
}

const common = (method: string) => ({
  semantics: choice(["mergekit", "paper", "peft"])
    .optional()
    .describe("Whose rules fill in rescaling, scope and election where they are not given: mergekit's, the papers', or PEFT's"),
  models: z.array(id(), must("must be a list of ids")).min(1, must("must be a list of ids")).max(65, must("must be a list of at most 65 ids")).optional()
    .describe("Experts that are merged, in order; base among them makes the base an input; all experts unless given"),
  base_model: id().nullable().optional().describe("The base of task vectors: base unless given, null for none, or an expert"),
  slices: few("slices", sliceFields(method)).optional().describe("Layers of the result, from these layers of these models"),
});

const weights = () => ({
  weights: byExpert().optional().describe("Weights by expert id, over the experts' own parameters.weight"),
});

/** Filled in when the recipe is completed. */
const followsSemantics = (method: MethodName, name: string) => ["rescaling", "scope", "election"].includes(name) || (method === "dare_ties" && name === "normalize");

/** The customary λ where a recipe says nothing; mergekit's 1 is said by whoever reads its files. */
const USUAL_LAMBDA = 0.3;

/** Fields of one merge beside its id. */
function mergeShape(method: MethodName, open: boolean) {
  const { perModel, whole } = methodSpec(method);
  const own = Object.fromEntries(
    Object.entries(settings(method, whole, [], open)).map(([name, field]) => {
      const { default: fixed, description } = whole[name] as ParameterSpec;
      const unlessGiven = method === "task_arithmetic" && name === "lambda" ? USUAL_LAMBDA : fixed;
      return [name, unlessGiven === null || followsSemantics(method, name) ? field : field.default(unlessGiven).describe(description)];
    }),
  );
  return { ...common(method), ...("weight" in perModel ? weights() : {}), ...own, ...settings(method, perModel, ["weight"], open) };
}

/** Under `runs` and `compare`, by method. */
export const mergeFields = Object.fromEntries(METHOD_NAMES.map((method) => [method, runFields(method, mergeShape(method, true))])) as unknown as Readonly<Record<MethodName, z.ZodType>>;

/** Among a swarm's starting points: all numbers given, and the layers where they are. */
export const startFields = Object.fromEntries(METHOD_NAMES.map((method) => {
  const { slices: _, ...shape } = mergeShape(method, false);
  return [method, fields({ method: z.literal(method), ...shape })];
})) as unknown as Readonly<Record<MethodName, z.ZodType>>;

export interface MergeSource {
  readonly model: string;
  readonly layer_range: readonly [number, number];
  readonly parameters?: ModelParameters | undefined;
}

export interface MergeSlice {
  readonly sources: readonly MergeSource[];
  readonly base_model?: string | null | undefined;
  readonly parameters?: Readonly<Record<string, Setting<Scalar>>> | undefined;
}

interface Common {
  readonly id: string;
  readonly semantics?: "mergekit" | "paper" | "peft" | undefined;
  readonly models?: readonly string[] | undefined;
  readonly base_model?: string | null | undefined;
  readonly slices?: readonly MergeSlice[] | undefined;
  readonly weights?: Record<string, number> | undefined;
}

/** A number left open: swept from low to high. */
export interface Tune {
  readonly tune: readonly [number, number];
  readonly evaluations: number;
}
export type LinearMerge = Common & { readonly method: "linear"; readonly normalize: Setting<boolean> };
export type TaskArithmeticMerge = Common & { readonly method: "task_arithmetic"; readonly lambda: Setting<number> | Tune; readonly normalize: Setting<boolean> };
/** The rest; their parameters by `parameterOf`. */
export type OtherMerge = Common & { readonly method: Exclude<MethodName, "linear" | "task_arithmetic"> };
export type MergeRun = LinearMerge | TaskArithmeticMerge | OtherMerge;

/** A parameter of a run by its name; undefined where the run does not say it. */
export function parameterOf(run: MergeRun, name: string): Setting<Scalar> | undefined {
  return (run as unknown as Readonly<Record<string, Setting<Scalar> | undefined>>)[name];
}

/** Parameters that are left to be tuned, by name. */
export function tunesOf(run: MergeRun): { readonly name: string; readonly tune: Tune }[] {
  return Object.entries(run).flatMap(([name, value]) => (typeof value === "object" && value !== null && "tune" in value ? [{ name, tune: value as Tune }] : []));
}

/** A merge among a swarm's starting points. */
export type MergeStart = Omit<MergeRun, "id" | "slices">;

/** As people write them; every parameter is checked when the recipe is parsed. */
export type MergeInput = { readonly id?: string; readonly method: MethodName } & Readonly<Record<string, unknown>>;
