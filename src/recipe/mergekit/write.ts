/**
 * A recipe's merge as a mergekit configuration that means the same. What mergekit has no words for is an error that names it;
 * `mergekitProblem` asks first.
 */
import { Document, isScalar, visit } from "yaml";
import { LabError } from "../../lib/error.ts";
import { isConditionals, layered, type Scalar, type Setting } from "../../lib/settings.ts";
import { isMethod, methodSpec } from "../../methods/fields.ts";
import { isInert, type MergeRun, type ModelParameters, parameterOf, tunesOf } from "../../methods/runs.ts";
import { parseReference } from "../reference.ts";
import { inputsOf } from "../checkMerge.ts";
import type { Recipe } from "../schema.ts";
import { OURS } from "./ours.ts";

type Written = Record<string, unknown>;

/** Why mergekit 0.1.5 cannot be told this merge, as a predicate, or null. */
export function mergekitProblem(run: MergeRun): string | null {
  if (!isMethod(run.method) || OURS.methods.includes(run.method)) return `is ${run.method}, which mergekit does not have`;
  const { whole } = methodSpec(run.method);
  if ("rescaling" in whole && parameterOf(run, "rescaling") === "inverse" && rescales(run)) return "divides by the density (rescaling inverse), where mergekit matches L1 norms";
  if ("scope" in whole && parameterOf(run, "scope") === "model") return "selects over the whole model (scope model), where mergekit selects in each tensor";
  if ("election" in whole && parameterOf(run, "election") === "unweighted") return "elects signs before weights (election unweighted), where mergekit elects them weighted";
  const [open] = tunesOf(run);
  if (open !== undefined) return `leaves ${open.name} to be tuned`;
  return null;
}

/** YAML for `mergekit-yaml`. */
export function toMergekitYaml(recipe: Recipe, run: MergeRun): string {
  const problem = mergekitProblem(run);
  if (problem !== null) throw new LabError("bad-recipe", `${run.id} ${problem}, so it cannot be written as a mergekit file.`);
  return yamlOf(configOf(recipe, run));
}

/** Lists of numbers on one line, as mergekit writes them. */
export function yamlOf(config: Written): string {
  return inFlow(config).toString({ lineWidth: 0, flowCollectionPadding: false });
}

function inFlow(config: Written): Document {
  const document = new Document(config, { version: "1.1", aliasDuplicateObjects: false });
  visit(document, { Seq: (_, seq) => void (seq.flow = seq.items.every((item) => isScalar(item) && typeof item.value === "number")) });
  return document;
}

function configOf(recipe: Recipe, run: MergeRun): Written {
  const model = (id: string) => long(id === "base" ? recipe.base.model : (recipe.experts.find((expert) => expert.id === id)?.model ?? id));
  const { whole, perModel, base: wants } = methodSpec(run.method);
  const base = run.base_model === undefined ? "base" : run.base_model;
  const inputs = run.slices === undefined ? inputsOf(recipe, run) : [];
  // An unlisted base would become one more input of a method that knows no base.
  const named = base !== null && (wants !== "none" || (run.slices === undefined ? inputs.includes(base) : run.slices.some(({ sources }) => sources.some((source) => source.model === base))));
  const runParameters = (id: string) => pick(Object.keys(perModel), (name) => layered(name === "weight" ? (run.weights?.[id] ?? own(recipe, id)?.weight) : own(recipe, id)?.[name as keyof ModelParameters], name === "weight" ? undefined : parameterOf(run, name)));
  const settings = (id: string, isBase: boolean) => (isBase && wants !== "none" ? {} : runParameters(id));
  const shared = pick(Object.keys(whole).filter((name) => !OURS.parameters.includes(name) && !isInert(run.method, name)), (name) => parameterOf(run, name));
  return {
    merge_method: run.method,
    ...(named ? { base_model: model(base) } : {}),
    ...(run.slices === undefined
      ? { models: inputs.map((id) => ({ model: model(id), ...parametersOf(settings(id, id === base)) })) }
      : {
          slices: run.slices.map((slice) => {
            const sliceBase = slice.base_model === undefined ? base : slice.base_model;
            return {
              sources: slice.sources.map((source) => {
                const outer = settings(source.model, source.model === sliceBase);
                const isBase = source.model === sliceBase && wants !== "none";
                const own = isBase ? {} : pick(Object.keys(perModel), (name) => layered(layered(source.parameters?.[name as keyof ModelParameters], slice.parameters?.[name]), outer[name]));
                return { model: model(source.model), layer_range: source.layer_range, ...parametersOf(own) };
              }),
              ...(slice.base_model == null ? {} : { base_model: model(slice.base_model) }),
              ...parametersOf(pick(Object.keys(whole).filter((name) => !isInert(run.method, name)), (name) => slice.parameters?.[name])),
            };
          }),
        }),
    ...parametersOf(shared),
    ...(recipe.dtype === undefined ? {} : { dtype: recipe.dtype }),
    ...(recipe.out_dtype === "auto" || recipe.out_dtype === recipe.dtype ? {} : { out_dtype: recipe.out_dtype }),
    ...tokenizerOf(recipe, model),
    ...(recipe.chat_template === undefined ? {} : { chat_template: recipe.chat_template }),
  };
}

function own(recipe: Recipe, id: string): ModelParameters | undefined {
  return id === "base" ? recipe.base.parameters : recipe.experts.find((expert) => expert.id === id)?.parameters;
}

function pick(names: readonly string[], of: (name: string) => Setting<Scalar> | undefined): Record<string, Setting<Scalar>> {
  return Object.fromEntries(names.flatMap((name) => {
    const setting = of(name);
    return setting === undefined ? [] : [[name, setting]];
  }));
}

function parametersOf(settings: Record<string, Setting<Scalar>>): Written {
  return Object.keys(settings).length === 0 ? {} : { parameters: settings };
}

/** mergekit splits plain text at "+" and "@"; a path that holds one needs its long form. */
function long(reference: string): unknown {
  const { adapter, ...rest } = parseReference(reference);
  if (rest.kind !== "path" || !/[+@]/.test(rest.path)) return reference;
  const lora = adapter === null ? {} : { lora: { path: reference.slice(rest.path.length + 1) } };
  return { model: { path: rest.path }, ...lora };
}

function tokenizerOf(recipe: Recipe, model: (id: string) => unknown): Written {
  const whose = (source: string) => (source === "union" || (source === "base" && recipe.runs.every((run) => !("base_model" in run) || run.base_model !== null)) ? source : /[/]/.test(source) ? source : model(source));
  const { tokenizer, tokenizer_source } = recipe;
  if (tokenizer_source !== undefined) return { tokenizer_source: whose(tokenizer_source) };
  if (tokenizer === undefined) return {};
  const tokens = Object.entries(tokenizer.tokens ?? {}).map(([token, { source, force }]) => {
    const from = typeof source === "string" ? model(source) : source.kind === "zero" ? source : { ...source, model: model(source.model) };
    return [token, { source: from, ...(force ? { force } : {}) }];
  });
  return {
    tokenizer: {
      source: whose(tokenizer.source),
      ...(tokens.length > 0 ? { tokens: Object.fromEntries(tokens) as Written } : {}),
      ...(tokenizer.pad_to_multiple_of === undefined ? {} : { pad_to_multiple_of: tokenizer.pad_to_multiple_of }),
    },
  };
}

function rescales(run: MergeRun): boolean {
  const written = parameterOf(run, "rescale");
  if (written === undefined || typeof written === "boolean") return written ?? methodSpec(run.method).whole.rescale?.default === true;
  return isConditionals(written) || (written as readonly Scalar[]).includes(true);
}
