/**
 * From a resolved recipe and the headers of its models to the plan of a merge without tasks: every output tensor, where its inputs
 * lie, its numbers. Follows mergekit 0.1.5 (docs/methods.md): filters, gradients, slices, tied and optional tensors, types.
 */
import { bytesOf, type Dtype as Stored, elementsOf, type FloatDtype, isFloatDtype, shapeText } from "../../checkpoint/safetensors/dtype.ts";
import { LabError } from "../../lib/error.ts";
import { settleFirst, type Scalar } from "../../lib/settings.ts";
import { list } from "../../lib/words.ts";
import { settle } from "../../methods/check.ts";
import { methodSpec } from "../../methods/fields.ts";
import { isInert, type MergeRun } from "../../methods/runs.ts";
import type { MethodSpec } from "../../methods/spec.ts";
import type { Dtype, JobInput, TensorJob } from "../../methods/types.ts";
import type { Recipe } from "../schema.ts";
import { Checkpoints } from "./checkpoints.ts";
import { resultConfig } from "./config.ts";
import { isOptional, isTable, isVocabulary } from "./names.ts";
import { Outputs, type OutputName } from "./outputs.ts";
import { slicesOf, type Slice, type Source } from "./sources.ts";
import type { MergePlan, ModelHeader, PlannedInput, PlannedTensor, PlanWarning } from "./types.ts";
import { layRows, layVocabulary, type RowLayout, type Vocabulary } from "./vocabulary.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface PlanOptions {
  /** By id ("base", experts): every model that `modelsOf` names. */
  readonly models: readonly ModelHeader[];
  /** Tokenizer of a model that is not merged, where `tokenizer_source` names one. */
  readonly foreign?: Tokenizer | null;
}

const COMPUTES: Readonly<Record<FloatDtype, Dtype>> = { F32: "float32", F64: "float32", F16: "float16", BF16: "bfloat16" };
const STORES: Readonly<Record<Dtype, FloatDtype>> = { float32: "F32", float16: "F16", bfloat16: "BF16" };
const MOST_SHOWN = 5;

/** Ids of the models whose headers a plan needs, the donor first. */
export function modelsOf(recipe: Recipe, run: MergeRun): string[] {
  return [...new Set([donorOf(recipe, run), ...slicesOf(recipe, run).flatMap(({ sources }) => sources.map(({ id }) => id))])];
}

/** Whose config and tokenizer the result has: the base, or the expert that stands in for one. */
function donorOf(recipe: Recipe, run: MergeRun): string {
  const inputs = slicesOf(recipe, run).flatMap(({ sources }) => sources.map(({ id }) => id));
  if (inputs.includes("base")) return "base";
  return recipe.experts.find(({ model }) => model === recipe.base.model)?.id ?? "base";
}

/** Throws "shape-mismatch", "bad-safetensors", "unsupported-safetensors" or "bad-recipe", naming tensors, models and files. */
export function planMerge(recipe: Recipe, run: MergeRun, { models, foreign = null }: PlanOptions): MergePlan {
  const ids = modelsOf(recipe, run);
  const checkpoints = new Checkpoints(ids.map((id) => models.find((model) => model.id === id) ?? missing(id)), (id) => nameOf(recipe, id));
  const planner = new Planner(recipe, run, checkpoints, vocabularyOf(recipe, ids, models, foreign));
  return planner.plan();
}

class Planner {
  readonly #recipe: Recipe;
  readonly #run: MergeRun;
  readonly #checkpoints: Checkpoints;
  readonly #vocabulary: Vocabulary | null;
  readonly #spec: MethodSpec;
  readonly #tensors: PlannedTensor[] = [];
  readonly #mismatches: string[] = [];
  readonly #lacking: string[] = [];
  readonly #warnings = new Map<string, PlanWarning>();
  readonly #layouts = new Map<string, RowLayout>();

  constructor(recipe: Recipe, run: MergeRun, checkpoints: Checkpoints, vocabulary: Vocabulary | null) {
    this.#recipe = recipe;
    this.#run = run;
    this.#checkpoints = checkpoints;
    this.#vocabulary = vocabulary;
    this.#spec = methodSpec(run.method);
  }

  plan(): MergePlan {
    const slices = slicesOf(this.#recipe, this.#run);
    const outputs = new Outputs(this.#checkpoints, slices, this.#run.slices !== undefined);
    for (const output of outputs.all()) this.#tensor(output);
    this.#refuse();
    const donor = donorOf(this.#recipe, this.#run);
    const read = new Map<string, number>();
    for (const { model, tensor, dtype, shape } of this.#tensors.flatMap((one) => (one.kind === "merge" ? one.inputs : [one.input, ...one.alike]))) read.set(`${model} ${tensor}`, size(dtype, shape));
    const written = new Set(this.#tensors.filter(({ dtype }) => isFloatDtype(dtype)).map(({ dtype }) => dtype));
    const only = written.size === 1 ? [...written][0] : undefined;
    return {
      models: this.#checkpoints.ids,
      tensors: this.#tensors,
      parameters: this.#tensors.reduce((sum, { elements }) => sum + elements, 0),
      readBytes: [...read.values()].reduce((sum, bytes) => sum + bytes, 0),
      writeBytes: this.#tensors.reduce((sum, { dtype, shape }) => sum + size(dtype, shape), 0),
      donor,
      config: resultConfig(this.#checkpoints.of(donor).header.config, {
        layers: outputs.layers, layerKeys: this.#checkpoints.of(donor).stacks[0]?.keys ?? [], layersOf: (id) => this.#checkpoints.of(id).header.config,
        rows: this.#vocabulary?.rows ?? null,
        dtype: only === undefined ? null : only === "F64" ? "float64" : COMPUTES[only as FloatDtype],
      }),
      tokenizer: this.#vocabulary?.tokenizer ?? null,
      tokenizerFrom: tokenizerFrom(this.#recipe, donor),
      warnings: [...this.#warnings.values()],
    };
  }

  #tensor({ name, slice, sources, t, layer }: OutputName): void {
    if (isTable(name) && this.#checkpoints.listed) return; // mergekit leaves them out, and models compute them
    const found = sources.map(({ source, name: theirs }) => ({ source, input: this.#find(source, theirs), theirs }));
    const there = found.flatMap(({ source, input, theirs }) => (input === null ? [] : [{ source, input, theirs }]));
    const [first] = there;
    if (first === undefined) return;
    if (there.length < found.length) {
      if (!isOptional(name)) return void this.#lacking.push(this.#lack(name, found));
      const alone = this.#alone(name, there, slice);
      if (alone !== "merge") return alone === "copy" ? this.#copy(name, first.input) : undefined;
    }
    const floats = there.map(({ input }) => isFloatDtype(input.dtype));
    if (!floats.every(Boolean)) return this.#carried(name, there.map(({ input }) => input), floats);
    const rows = this.#rowsFor(name, there, slice);
    const shape = this.#shapeOf(name, there, rows);
    if (shape === null) return;
    const compute = this.#computeOf(there.map(({ input }) => input));
    const job = this.#job(name, shape, there, slice, t, layer, compute);
    if (this.#run.method === "passthrough" && job.inputs[0]?.parameters.scale === undefined && rows === null) return this.#copy(name, first.input);
    settle(job); // says what is wrong with it before anything is read
    this.#tensors.push({ kind: "merge", name, shape, dtype: this.#stored(compute), elements: elements(shape), job, inputs: there.map(({ input }) => input), rows });
  }

  #find(source: Source, name: string): PlannedInput | null {
    const checkpoint = this.#checkpoints.of(source.id);
    const found = checkpoint.find(name);
    if (found === null) return null;
    if (found.tied) this.#warn("tied", `${checkpoint.name} has no ${name}; its ${found.tensor.name} stands in for it.`);
    const { dtype } = found.tensor;
    if (!isFloatDtype(dtype) && /^F\d/.test(dtype)) throw new LabError("unsupported-safetensors", `${name} of ${checkpoint.name} is stored as ${dtype}, which is not merged. Convert the model to bfloat16 or float16 first.`);
    if (dtype === "F64") this.#warn("float64-as-float32", `${checkpoint.name} holds float64 numbers; they are merged as float32.`);
    return { model: checkpoint.place, tensor: found.tensor.name, dtype, shape: found.tensor.shape };
  }

  /** What mergekit does where an optional tensor is in some models only. */
  #alone(name: string, there: readonly { readonly source: Source }[], { base }: Slice): "merge" | "copy" | "skip" {
    const { method } = this.#run;
    const baseOnly = there.length === 1 && there[0]?.source.id === base;
    if (there.length === 1 && ["slerp", "nuslerp", "arcee_fusion"].includes(method)) return "copy";
    if (method === "nearswap" && baseOnly) return "copy";
    if (method === "model_stock" && there.length < 3) {
      if (!baseOnly) this.#warn("left-out", `${name} is in too few models for model_stock and is left out.`);
      return baseOnly ? "copy" : "skip";
    }
    return "merge";
  }

  #copy(name: string, input: PlannedInput): void {
    const compute = isFloatDtype(input.dtype) ? this.#computeOf([input]) : null;
    const dtype = compute === null ? input.dtype : this.#stored(compute);
    this.#tensors.push({ kind: "copy", name, shape: input.shape, dtype, elements: elements(input.shape), input, compute, alike: [] });
  }

  /** Integers and truths: the base's, or the first model's, as they are. */
  #carried(name: string, inputs: readonly PlannedInput[], floats: readonly boolean[]): void {
    const [first] = inputs;
    if (first === undefined) return;
    const odd = inputs.find(({ dtype, shape }) => dtype !== first.dtype || !sameShape(shape, first.shape));
    if (odd !== undefined || floats.some(Boolean)) {
      const told = inputs.map(({ model, dtype, shape }) => `${dtype} ${shapeText(shape)} in ${this.#checkpoints.at(model).name}`);
      this.#mismatches.push(`${name} is ${list([...new Set(told)])}`);
      return;
    }
    const base = inputs.find(({ model }) => this.#checkpoints.ids[model] === "base") ?? first;
    this.#warn("carried", `Tensors of whole numbers, such as ${name}, are carried over from ${this.#checkpoints.at(base.model).name}.`);
    this.#tensors.push({ kind: "copy", name, shape: base.shape, dtype: base.dtype, elements: elements(base.shape), input: base, compute: null, alike: inputs.filter((one) => one !== base) });
  }

  #rowsFor(name: string, there: readonly { readonly source: Source; readonly input: PlannedInput }[], { base }: Slice): RowLayout | null {
    if (this.#vocabulary === null || !isVocabulary(name)) return null;
    const ids = there.map(({ source }) => source.id);
    const key = `${ids.join(" ")}|${base}`;
    const known = this.#layouts.get(key) ?? layRows(this.#vocabulary, ids, base);
    this.#layouts.set(key, known);
    there.forEach(({ source, input }, i) => {
      const most = (known.own[i] ?? []).reduce((high, row) => Math.max(high, row), -1);
      if (most >= (input.shape[0] ?? 0)) throw new LabError("shape-mismatch", `The tokenizer of ${nameOf(this.#recipe, source.id)} has a token ${most}, but its ${input.tensor} has ${input.shape[0] ?? 0} rows.`);
    });
    return known;
  }

  #shapeOf(name: string, there: readonly { readonly input: PlannedInput }[], rows: RowLayout | null): readonly number[] | null {
    const first = there[0]?.input.shape ?? [];
    const compared = (shape: readonly number[]) => (rows === null ? shape : shape.slice(1));
    if (there.every(({ input }) => sameShape(compared(input.shape), compared(first)))) return rows === null ? first : [rows.rows, ...first.slice(1)];
    const byShape = new Map<string, string[]>();
    for (const { input } of there) byShape.set(shapeText(input.shape), [...(byShape.get(shapeText(input.shape)) ?? []), this.#checkpoints.at(input.model).name]);
    const told = [...byShape].map(([shape, names]) => `${shape} in ${list(names)}`);
    this.#mismatches.push(`${name} is ${list(told, "but")}${rows === null && isVocabulary(name) ? "; its rows are tokens, so tokenizer_source: base or union would match them by token" : ""}`);
    return null;
  }

  #job(
    name: string, shape: readonly number[], there: readonly { readonly source: Source; readonly theirs: string }[], slice: Slice, t: number, layer: number | null, dtype: Dtype,
  ): TensorJob {
    const { method } = this.#run;
    const parameters: Record<string, Scalar> = {};
    for (const [key, { required }] of Object.entries(this.#spec.whole)) {
      if (isInert(method, key)) continue;
      const value = settleFirst<Scalar>(slice.scopes.map((scope) => scope[key]), name, t);
      if (value !== null) parameters[key] = value;
      else if (required) throw new LabError("bad-recipe", `${key} has no value for ${name}: no filter fits it. Add one without a filter, last.`);
    }
    const inputs = there.map(({ source, theirs }): JobInput => {
      const own: Record<string, number | boolean> = {};
      if (source.id !== slice.base || this.#spec.base === "none") {
        for (const [key, { required }] of Object.entries(this.#spec.perModel)) {
          if (isInert(method, key)) continue;
          const value = settleFirst<Scalar>(source.scopes.map((scope) => scope[key]), theirs, t);
          if (value !== null) own[key] = value as number | boolean;
          else if (required) throw new LabError("bad-recipe", `${key} of ${source.id} has no value for ${theirs}: ${source.scopes.some((scope) => scope[key] !== undefined) ? "no filter fits it. Add one without a filter, last" : "give it one under parameters"}.`);
        }
      }
      return { id: source.id, parameters: own };
    });
    const base = this.#spec.base === "none" || slice.base === null ? -1 : there.findIndex(({ source }) => source.id === slice.base);
    return { method, name, shape, seed: this.#recipe.seeds.search, base: base < 0 ? null : base, inputs, parameters, dtype, layer };
  }

  /** mergekit's: `dtype`, else the narrowest type that holds all inputs. */
  #computeOf(inputs: readonly PlannedInput[]): Dtype {
    if (this.#recipe.dtype !== undefined) return this.#recipe.dtype;
    const types = new Set(inputs.map(({ dtype }) => COMPUTES[dtype as FloatDtype]));
    const [only] = types;
    return types.size === 1 && only !== undefined ? only : "float32";
  }

  #stored(compute: Dtype): FloatDtype {
    const { out_dtype } = this.#recipe;
    return STORES[out_dtype === "auto" ? compute : out_dtype];
  }

  #lack(name: string, found: readonly { readonly source: Source; readonly input: PlannedInput | null; readonly theirs: string }[]): string {
    const names = (has: boolean) => found.filter(({ input }) => (input !== null) === has).map(({ source }) => this.#checkpoints.of(source.id).name);
    const theirs = found.find(({ input }) => input === null)?.theirs ?? name;
    return `${theirs} is not in ${list(names(false))}, but in ${list(names(true))}`;
  }

  #refuse(): void {
    const told = (problems: readonly string[]) => `${problems.slice(0, MOST_SHOWN).join(";\n")}${problems.length > MOST_SHOWN ? `;\nand ${problems.length - MOST_SHOWN} more` : ""}`;
    if (this.#lacking.length > 0) {
      throw new LabError("shape-mismatch", `The models do not hold the same tensors:\n${told(this.#lacking)}.\nOnly models with the same graph can be merged.`, { details: { missing: this.#lacking } });
    }
    if (this.#mismatches.length > 0) {
      throw new LabError("shape-mismatch", `The models' tensors do not fit each other:\n${told(this.#mismatches)}.`, { details: { mismatches: this.#mismatches } });
    }
    if (this.#tensors.length === 0) throw new LabError("bad-safetensors", "The models hold no tensor that could be merged.");
  }

  #warn(code: PlanWarning["code"], message: string): void {
    const key = code === "carried" ? code : message;
    if (!this.#warnings.has(key)) this.#warnings.set(key, { code, message });
  }
}

function vocabularyOf(recipe: Recipe, ids: readonly string[], models: readonly ModelHeader[], foreign: Tokenizer | null): Vocabulary | null {
  const source = recipe.tokenizer?.source ?? recipe.tokenizer_source;
  if (source === undefined) return null;
  const known = ids.map((id) => {
    const header = models.find((model) => model.id === id) ?? missing(id);
    const tokenizer = header.tokenizer ?? null;
    return { id, tokenizer, rows: vocabularyRows(header.config) ?? tokenizer?.vocabulary.size ?? 0, name: nameOf(recipe, id) };
  });
  return layVocabulary(known, { source, tokens: recipe.tokenizer?.tokens ?? {}, padTo: recipe.tokenizer?.pad_to_multiple_of ?? null, foreign });
}

function tokenizerFrom({ tokenizer, tokenizer_source }: Recipe, donor: string): string {
  const source = tokenizer?.source ?? tokenizer_source ?? "base";
  return source === "base" || source === "union" ? donor : source;
}

function vocabularyRows(config: Readonly<Record<string, unknown>> | null): number | null {
  const text = config?.text_config as Record<string, unknown> | undefined;
  const rows = config?.vocab_size ?? text?.vocab_size;
  return typeof rows === "number" ? rows : null;
}

function nameOf(recipe: Recipe, id: string): string {
  return id === "base" ? `the base (${recipe.base.model})` : `${id} (${recipe.experts.find((expert) => expert.id === id)?.model ?? "?"})`;
}

function missing(id: string): never {
  throw new LabError("internal", `The plan was given no header of ${id}.`);
}

const sameShape = (a: readonly number[], b: readonly number[]) => a.length === b.length && a.every((dim, i) => dim === b[i]);
const elements = (shape: readonly number[]) => elementsOf(shape) ?? 0;
const size = (dtype: Stored, shape: readonly number[]) => bytesOf(dtype, elements(shape)) ?? 0;
