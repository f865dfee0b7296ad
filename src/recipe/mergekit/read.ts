/**
 * A mergekit configuration as a recipe of one run. A YAML means mergekit: the run says `semantics: mergekit`, and parameters keep
 * their names and forms; those that belong to each model move to the models, filters before what stood further out.
 */
import { LabError } from "../../lib/error.ts";
import { list, suggestion } from "../../lib/words.ts";
import { isMethod, METHOD_NAMES, methodSpec } from "../../methods/fields.ts";
import type { MethodSpec } from "../../methods/spec.ts";
import { layered, type Setting } from "../../lib/settings.ts";
import { parseConfig, type MergekitConfig, type MergekitToken, type WrittenModel } from "./config.ts";
import { Models, type ReadOptions } from "./models.ts";
import { namedTemplates, UNKNOWN_TEMPLATES } from "../plan/templates.ts";
import { OURS } from "./ours.ts";
import { ParameterReader, type Settings, type Value, type Warning } from "./parameters.ts";
import { readYaml } from "./yaml.ts";

export interface ReadMergekit {
  /** For `parseRecipe`. */
  readonly recipe: Record<string, unknown>;
  readonly warnings: readonly Warning[];
}

/** Throws `bad-recipe` with every problem, a sentence each. */
export function readMergekit(text: string, options: ReadOptions = {}): ReadMergekit {
  const file = options.file ?? "The mergekit file";
  const config = parseConfig(readYaml(text, file), file);
  const problems: string[] = [];
  const read = recipeOf(config, { ...options, file }, problems);
  if (problems.length > 0) throw new LabError("bad-recipe", `${file} cannot be merged.\n${problems.slice(0, 20).join("\n")}`, { details: { problems } });
  return read;
}

function recipeOf(config: MergekitConfig, options: ReadOptions, problems: string[]): ReadMergekit {
  const method = config.merge_method;
  const known = METHOD_NAMES.filter((name) => !OURS.methods.includes(name));
  if (!isMethod(method) || !known.includes(method)) {
    problems.push(`merge_method is ${method}, which is no method of mergekit 0.1.5${suggestion(method, known)}`);
    return { recipe: {}, warnings: [] };
  }
  const spec = methodSpec(method);
  // The base as the only model of a method that knows no base (a model's layers stacked anew) is a model like any other.
  const alone = spec.base === "none" && config.slices?.every((slice) => !slice.base_model && slice.sources.every(({ model }) => same(model, config.base_model)));
  const models = new Models(alone ? null : (config.base_model ?? null), options, [method], problems);
  const reader = new ParameterReader(spec, problems);
  const global = readGlobal(config, reader);
  const warnings: Warning[] = [];
  const layout = config.models
    ? fromModels(config.models, models, reader, global.each, spec, problems)
    : fromSlices(config.slices ?? [], models, reader, global.each, spec, problems, warnings);
  const experts = models.experts.map((expert) => ({ ...expert, ...(layout.experts.get(expert.id) ?? {}) }));
  if (experts.length === 0 && models.base !== null) {
    problems.push("base_model is the only model, so there is nothing to merge it with; name the models to merge.");
  }
  const token = tokenizerOf(config, models, problems);
  const run = {
    method, semantics: "mergekit", base_model: models.base === null ? null : "base",
    // A recipe's own λ is the customary 0.3; mergekit's is 1.
    ...(method === "task_arithmetic" ? { lambda: 1 } : {}), ...global.shared, ...layout.run,
  };
  const recipe = {
    murmuration: 1,
    ...(config.name ? { title: config.name } : {}),
    ...(models.base === null ? {} : { base: { model: models.base, ...(layout.experts.get("base") ?? {}) } }),
    experts, tasks: [], runs: [run],
    ...(config.dtype ? { dtype: config.dtype } : {}),
    out_dtype: config.out_dtype ?? config.dtype ?? "auto",
    ...token,
    ...chatTemplate(config.chat_template, problems),
  };
  return { recipe, warnings: [...reader.warnings, ...warnings] };
}

/** Of the module, where the file has one, before those of the whole. */
function readGlobal({ parameters, modules }: MergekitConfig, reader: ParameterReader): { shared: Settings; each: Settings } {
  const outer = reader.read(parameters, "parameters", false);
  const inner = reader.read(modules?.default.parameters ?? {}, "modules.default.parameters", false);
  return { shared: withOuter(inner.shared, outer.shared), each: withOuter(inner.each, outer.each) };
}

interface Layout {
  /** Own parameters by id. */
  readonly experts: ReadonlyMap<string, { readonly parameters: Settings }>;
  readonly run: { readonly models?: string[]; readonly slices?: unknown[] };
}

function fromModels(
  written: NonNullable<MergekitConfig["models"]>, models: Models, reader: ParameterReader, global: Settings, spec: MethodSpec, problems: string[],
): Layout {
  const experts = new Map<string, { parameters: Settings }>();
  const order: string[] = [];
  written.forEach(({ model, parameters }, i) => {
    const id = models.id(model, `models.${i}.model`);
    if (order.includes(id)) problems.push(`models.${i}.model is ${models.reference(model, `models.${i}.model`)}, which is listed already; give it one larger weight instead.`);
    order.push(id);
    add(experts, id, withOuter(reader.read(parameters, `models.${i}.parameters`, true).each, global), spec, id === "base", `models.${i}`, problems);
  });
  // mergekit takes an unlisted base as the last input.
  if (models.base !== null && !order.includes("base")) {
    order.push("base");
    add(experts, "base", { ...global }, spec, true, "base_model", problems);
  }
  return { experts, run: order.includes("base") ? { models: order } : {} };
}

function fromSlices(
  written: NonNullable<MergekitConfig["slices"]>, models: Models, reader: ParameterReader, global: Settings, spec: MethodSpec, problems: string[], warnings: Warning[],
): Layout {
  const slices = written.map((slice, i) => {
    const at = `slices.${i}`;
    const own = reader.read(slice.parameters, `${at}.parameters`, false);
    if (slice.residual_weight != null) warnings.push({ code: "changes-nothing", message: `${at}.residual_weight changes nothing: mergekit 0.1.5 reads it and never uses it.` });
    const base = slice.base_model ? models.id(slice.base_model, `${at}.base_model`) : models.base === null ? null : "base";
    const seen = new Map<string, { parameters: Settings }>();
    const sources = slice.sources.map((source, j) => {
      const id = models.id(source.model, `${at}.sources.${j}.model`);
      if (slice.sources.slice(0, j).some((earlier) => same(earlier.model, source.model))) problems.push(`${at}.sources.${j}.model is ${models.reference(source.model, at)}, which that slice has already.`);
      const settings = withOuter(withOuter(reader.read(source.parameters, `${at}.sources.${j}.parameters`, true).each, own.each), global);
      add(seen, id, settings, spec, id === base, `${at}.sources.${j}`, problems);
      const parameters = seen.get(id)?.parameters ?? {};
      return { model: id, layer_range: source.layer_range, ...(Object.keys(parameters).length > 0 ? { parameters } : {}) };
    });
    return {
      sources,
      ...(slice.base_model ? { base_model: base } : {}),
      ...(Object.keys(own.shared).length > 0 ? { parameters: own.shared } : {}),
    };
  });
  return { experts: new Map(), run: { slices } };
}

/** Keeps what one model says of itself; what must be said and is not is a problem. */
function add(experts: Map<string, { parameters: Settings }>, id: string, settings: Settings, spec: MethodSpec, isBase: boolean, where: string, problems: string[]): void {
  if (isBase && spec.base !== "none") return; // as in mergekit, the base of task vectors has none
  for (const [name, { required }] of Object.entries(spec.perModel)) {
    if (required && settings[name] === undefined) {
      problems.push(where === "base_model" ? `base_model is not listed, so mergekit merges it as one more model, and ${name} is missing for it; list it, or leave base_model out.` : `${where} has no ${name}; give it one under parameters, there or for all models.`);
    }
  }
  if (Object.keys(settings).length > 0) experts.set(id, { parameters: settings });
}

function same(a: WrittenModel, b: WrittenModel | null | undefined): boolean {
  return b != null && a.path === b.path && a.adapter === b.adapter;
}

function withOuter(inner: Settings, outer: Settings): Settings {
  const names = new Set([...Object.keys(inner), ...Object.keys(outer)]);
  return Object.fromEntries([...names].flatMap((name) => {
    const both: Setting<Value> | undefined = layered(inner[name], outer[name]);
    return both === undefined ? [] : [[name, both]];
  }));
}

function tokenizerOf({ tokenizer, tokenizer_source: source }: MergekitConfig, models: Models, problems: string[]) {
  const named = (model: NonNullable<typeof source>, where: string) =>
    model.adapter === null && (model.path === "base" || model.path === "union") ? model.path : (models.known(model, where) ?? models.reference(model, where));
  if (source) return { tokenizer_source: named(source, "tokenizer_source") };
  if (!tokenizer) return {};
  const tokens = Object.entries(tokenizer.tokens ?? {}).map(([token, one]) => [token, tokenOf(one, models, `tokenizer.tokens.${token}`, problems)]);
  return {
    tokenizer: {
      source: named(tokenizer.source, "tokenizer.source"),
      ...(tokens.length > 0 ? { tokens: Object.fromEntries(tokens) as unknown } : {}),
      ...(tokenizer.pad_to_multiple_of == null ? {} : { pad_to_multiple_of: tokenizer.pad_to_multiple_of }),
    },
  };
}

function tokenOf({ source, force }: MergekitToken, models: Models, where: string, problems: string[]) {
  if (source == null) {
    problems.push(`${where} has no source; name a model, or write source: { kind: zero }.`);
    return {};
  }
  const known = (model: { path: string; adapter: string | null }) => {
    const id = models.known(model, `${where}.source`);
    if (id === null) problems.push(`${where}.source is ${models.reference(model, where)}, which is none of the merged models; known are ${list(models.experts.map((expert) => expert.model))}.`);
    return id ?? "base";
  };
  if (!("kind" in source)) return { source: known(source), force };
  if (source.kind === "zero") return { source: { kind: "zero" }, force };
  const { model, token, token_id } = source;
  return { source: { kind: "model_token", model: known(model), ...(token == null ? { token_id } : { token }) }, force };
}

function chatTemplate(written: string | null | undefined, problems: string[]) {
  if (!written) return {};
  if (Object.hasOwn(namedTemplates, written)) return { chat_template: written };
  if (UNKNOWN_TEMPLATES.includes(written)) problems.push(`chat_template is ${written}, a template that lies in mergekit's own package; write the template itself, or auto for the one that most models have.`);
  else if (written !== "auto" && (written.length < 20 || !written.includes("{"))) problems.push("chat_template is no template: write auto, or the Jinja text itself.");
  return { chat_template: written };
}
