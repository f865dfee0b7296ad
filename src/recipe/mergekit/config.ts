/**
 * What a mergekit configuration may say, version 0.1.5. mergekit passes over what it does not know; here that is refused, and so is
 * what it knows and this program does not do.
 */
import * as z from "zod";
import { fields, must } from "../../lib/fields.ts";
import { list, nearest, show } from "../../lib/words.ts";
import { LabError } from "../../lib/error.ts";
import { sentences } from "../problems.ts";
import type { Scalar, Setting } from "../../lib/settings.ts";

/** A model as written: `path[@revision][+adapter]`, or mergekit's long form. */
export interface WrittenModel {
  readonly path: string;
  readonly adapter: string | null;
}

export type Parameters = Readonly<Record<string, Setting<Scalar>>>;

const text = (what: string) => z.string(must(`must be ${what}`)).min(1, must(`must be ${what}`));

const place = z.union([text("a path or a name on the Hub"), fields({ path: text("a path or a name on the Hub"), revision: z.string().nullish() })]);
const whole = (one: z.output<typeof place>) => (typeof one === "string" ? one : one.revision ? `${one.path}@${one.revision}` : one.path);

/** A plain name may hold one "+", which mergekit splits at; the long form never does. */
function splitModel(written: string): WrittenModel | null {
  const [path = "", adapter = null, ...more] = written.split("+");
  return more.length > 0 || path === "" || adapter === "" ? null : { path, adapter };
}

const MODEL = z.union(
  [
    text("a path or a name on the Hub")
      .refine((written) => splitModel(written) !== null, must("must hold at most one +, between a model and its adapter"))
      .transform((written): WrittenModel => splitModel(written) ?? { path: written, adapter: null }),
    fields({
      model: place,
      lora: place.nullish(),
      override_architecture: z.null("names another architecture than the model's own, which is not done here; leave it out").optional(),
    }).transform(({ model, lora }): WrittenModel => ({ path: whole(model), adapter: lora ? whole(lora) : null })),
  ],
  must("must be a path or a name on the Hub"),
);

const saysScalar = must("must be a number, true or false, or text");
const SCALAR = z.union([z.boolean(), z.number(saysScalar), z.string()], saysScalar);
const saysSetting = must('must be a value, a list of values over the layers, or a list of { filter: "…", value: … }');
const GRADIENT = z.array(SCALAR, saysSetting).max(1000, must("must have at most 1000 values"));
const CONDITIONAL = fields({ filter: z.string(must("must be text")).nullish(), value: z.union([SCALAR, GRADIENT], saysSetting) })
  .transform(({ filter, value }) => (filter == null ? { value } : { filter, value }));
const SETTING = z
  .union([SCALAR, GRADIENT, CONDITIONAL.transform((one) => [one]), z.array(CONDITIONAL, saysSetting).max(1000, must("must have at most 1000 filters"))], saysSetting);
const saysParameters = must("must be an object of parameters");
const PARAMETERS = z.record(z.string(), SETTING, saysParameters).nullish().transform((written): Parameters => written ?? {});

const saysRange = must("must be [first, end], two whole numbers");
const LAYER = z.int(saysRange).min(0, saysRange).max(100_000, saysRange);
const several = <T extends z.ZodType>(what: string, item: T) =>
  z.array(item, must(`must be a list of ${what}`)).min(1, must(`must be a list of ${what}`)).max(10_000, must(`must be a list of at most 10,000 ${what}`));

const SOURCE = fields({ model: MODEL, layer_range: z.tuple([LAYER, LAYER], saysRange), parameters: PARAMETERS });
const SLICE = fields({
  sources: several("sources", SOURCE),
  base_model: MODEL.nullish(),
  residual_weight: z.number().nullish(),
  parameters: PARAMETERS,
});

const DTYPES = ["float32", "float16", "bfloat16"] as const;
const DTYPE = z
  .string(must(`must be ${list(DTYPES, "or")}`))
  .transform((written) => written.replace(/^torch\./, ""))
  .pipe(z.enum(DTYPES, { error: ({ input }) => `is ${show(input)}; ${list(DTYPES)} are done here` }))
  .nullish();

const TOKEN = fields({
  source: z
    .union([
      fields({ kind: z.literal("zero") }),
      fields({ kind: z.literal("model_token"), model: MODEL, token_id: z.int().min(0).nullish(), token: z.string().nullish() })
        .refine(({ token_id, token }) => (token_id == null) !== (token == null), "must have a token or a token_id, and not both"),
      MODEL,
    ])
    .nullish(),
  force: z.boolean(must("must be true or false")).default(false),
});

const LAYOUT = {
  models: several("models", fields({ model: MODEL, parameters: PARAMETERS })).nullish(),
  slices: several("slices", SLICE).nullish(),
};

const SHAPE = {
  merge_method: text("the name of a method"),
  /** Of a model in one piece, as nearly all are: the same as models and slices of the whole. */
  modules: fields({ default: fields({ ...LAYOUT, parameters: PARAMETERS }) }).nullish(),
  ...LAYOUT,
  base_model: MODEL.nullish(),
  parameters: PARAMETERS,
  dtype: DTYPE,
  out_dtype: DTYPE,
  tokenizer_source: MODEL.nullish(),
  tokenizer: fields({
    source: MODEL.default({ path: "union", adapter: null }),
    tokens: z.record(z.string(), TOKEN, must("must be an object by token")).nullish(),
    pad_to_multiple_of: z.int(must("must be a whole number")).min(1, must("must be a whole number above 0")).max(65_536, must("must be at most 65,536")).nullish(),
  }).nullish(),
  chat_template: z.string(must("must be text")).nullish(),
  /** What a chain of merges calls it; alone it is a title. */
  name: z.string(must("must be text")).max(200, must("must be at most 200 characters")).nullish(),
};

const CONFIG = fields(SHAPE);

/** A configuration with every model split and every parameter in one of three forms. */
export type MergekitConfig = z.output<typeof CONFIG>;
export type MergekitToken = z.output<typeof TOKEN>;

/** Fields of mergekit, and of its sister programs, that are not done here, with what they are. */
const REFUSED: Readonly<Record<string, string>> = {
  gate_mode: "belongs to mergekit-moe, which builds a mixture of experts",
  experts: "belongs to mergekit-moe, which builds a mixture of experts",
  shared_experts: "belongs to mergekit-moe, which builds a mixture of experts",
  experts_per_token: "belongs to mergekit-moe, which builds a mixture of experts",
  genome: "belongs to mergekit-evolve, which searches",
  tasks: "belongs to mergekit-evolve, which searches",
};

export function parseConfig(raw: unknown, file: string): MergekitConfig {
  if (Array.isArray(raw)) throw bad(file, ["The file is a list: several merges are mergekit-multi's, so run them one by one."]);
  if (typeof raw !== "object" || raw === null) throw bad(file, [`The file holds ${show(raw)}, not a merge with merge_method and models or slices.`]);
  const written = raw as Record<string, unknown>;
  const problems = Object.keys(written)
    .filter((key) => !Object.hasOwn(SHAPE, key))
    .map((key) => {
      const refused = Object.hasOwn(REFUSED, key) ? REFUSED[key] : undefined;
      if (refused !== undefined) return `${key} ${refused}; that is not done here.`;
      const near = nearest(key, Object.keys(SHAPE));
      return `${show(key).slice(1, -1)} is no field of mergekit${near === null ? `; known are ${list(Object.keys(SHAPE))}.` : `; did you mean ${near}?`}`;
    });
  if (problems.length > 0) throw bad(file, problems);
  const parts = Object.keys((written.modules as object | null | undefined) ?? {}).filter((name) => name !== "default");
  if (parts.length > 0) throw bad(file, [`modules names ${list(parts)}: the parts of a model are not merged apart here, only models in one piece, whose module is default.`]);
  const parsed = CONFIG.safeParse(written, { reportInput: true });
  if (!parsed.success) throw bad(file, sentences(parsed.error));
  const { modules, tokenizer, tokenizer_source } = parsed.data;
  const whole = modules?.default;
  if (whole && (parsed.data.models ?? parsed.data.slices)) throw bad(file, ["modules stands beside models or slices; mergekit takes one of them."]);
  const { models, slices } = whole ?? parsed.data;
  if (models && slices) problems.push("models and slices stand side by side; mergekit takes one of them.");
  if (!models && !slices) problems.push("There are neither models nor slices, so nothing would be merged.");
  if (tokenizer && tokenizer_source) problems.push("tokenizer and tokenizer_source stand side by side; mergekit takes one of them.");
  if (problems.length > 0) throw bad(file, problems);
  return { ...parsed.data, models, slices };
}

function bad(file: string, problems: readonly string[]): LabError {
  const shown = problems.slice(0, 20);
  if (problems.length > shown.length) shown.push(`There are ${problems.length - shown.length} more problems.`);
  return new LabError("bad-recipe", `${file} cannot be merged.\n${shown.join("\n")}`, { details: { problems: shown } });
}
