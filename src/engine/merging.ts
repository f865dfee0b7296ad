/**
 * Data-free merges of a family in ONNX. What each tensor is made of comes from the same plan as for folders, by canonical names; tensors
 * are merged in the checkpoint's own layout and given back in the graph's. So both forms of a family give the same merge, masks included.
 */
import { CpuExecutor } from "../methods/executor.cpu.ts";
import { mergeTensor } from "../methods/merge.ts";
import type { MergeRun } from "../methods/runs.ts";
import { needsSurvey, surveyModel, type Survey } from "../methods/survey.ts";
import type { MethodWarning, TensorSource } from "../methods/types.ts";
import { type GroupedWarning, groupWarnings } from "../methods/warnings.ts";
import { LabError } from "../lib/error.ts";
import { planMerge, modelsOf } from "../recipe/plan/plan.ts";
import type { ModelHeader, PlannedTensor } from "../recipe/plan/types.ts";
import type { Recipe } from "../recipe/schema.ts";
import { checkpointShape, toCheckpoint, toGraph } from "../space/transpose.ts";
import type { Loaded } from "./loading.ts";

export type Family = Pick<Loaded, "models" | "alignment">;
/** The hub's `tensor`: one weight in the graph's layout, the caller's own array. */
export type ReadTensor = (handle: number, weight: number) => Promise<Float32Array>;

/** A run resolved over the segments of a space. */
export interface SegmentPlan {
  readonly tensors: readonly PlannedTensor[];
  /** Positions in `Family.models` of what `tensors` read. */
  readonly models: readonly number[];
  readonly survey: Survey | undefined;
}

export interface Derived {
  /** One array a segment, in the graph's layout. */
  readonly weights: Float32Array[];
  readonly warnings: GroupedWarning[];
}

/** Families this small stay in memory between merges, so that a slider is followed while it moves. */
const KEPT_BYTES = 64 * 2 ** 20;

export class FamilyMerger {
  readonly #family: Family;
  readonly #read: ReadTensor;
  /** By model and segment, in the checkpoint's layout; only for small families. */
  readonly #kept = new Map<string, Float32Array>();
  readonly #keeps: boolean;
  #executor: CpuExecutor | null = null;

  constructor(family: Family, read: ReadTensor) {
    this.#family = family;
    this.#read = read;
    this.#keeps = 4 * family.alignment.space.length * family.models.length <= KEPT_BYTES;
  }

  /** Throws "bad-recipe" with sentences on numbers that make no sense together, for any segment. */
  async plan(recipe: Recipe, run: MergeRun): Promise<SegmentPlan> {
    const { models, alignment } = this.#family;
    const headers = models.map(({ id }) => this.#headerOf(id));
    const plan = planMerge(recipe, run, { models: headers });
    const byName = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
    const tensors = alignment.space.segments.map(({ name }) => {
      const planned = byName.get(name);
      if (!planned) throw new LabError("graph-mismatch", `${name} of this family has no place in a merge by ${run.method}: another tensor has the same name in an older spelling.`);
      return planned;
    });
    const positions = modelsOf(recipe, run).map((id) => models.findIndex((model) => model.id === id));
    const jobs = tensors.flatMap((tensor) => (tensor.kind === "merge" ? [tensor.job] : []));
    if (jobs[0] === undefined || !needsSurvey(jobs[0])) return { tensors, models: positions, survey: undefined };
    const segmentOf = new Map(tensors.map(({ name }, segment) => [name, segment]));
    const unsurveyed: SegmentPlan = { tensors, models: positions, survey: undefined };
    const survey = await surveyModel(jobs, ({ name }) => this.#source(unsurveyed, segmentOf.get(name) as number), { executor: this.#cpu });
    return { ...unsurveyed, survey };
  }

  /** One segment in the graph's layout. `given`: the models' own tensors of it in that layout, where the caller has read them anyway. */
  async segment(plan: SegmentPlan, index: number, given?: readonly Float32Array[]): Promise<{ values: Float32Array; warnings: readonly MethodWarning[] }> {
    const segment = this.#segmentAt(index);
    const planned = plan.tensors[index] as PlannedTensor; // one a segment
    const tensors = given?.map((values) => toCheckpoint(segment, values));
    if (planned.kind === "copy") {
      const values = await this.#tensor(plan, planned.input.model, index, tensors);
      return { values: toGraph(segment, values).slice(), warnings: [] };
    }
    const out = new Float32Array(segment.length);
    const { warnings } = await mergeTensor(planned.job, await this.#source(plan, index, tensors), (from, values) => out.set(values, from), { executor: this.#cpu, survey: plan.survey });
    return { values: toGraph(segment, out), warnings };
  }

  /** All segments, one after the other. */
  async merge(recipe: Recipe, run: MergeRun): Promise<Derived> {
    const plan = await this.plan(recipe, run);
    const weights: Float32Array[] = [];
    const warnings: MethodWarning[] = [];
    for (const index of plan.tensors.keys()) {
      const made = await this.segment(plan, index);
      weights.push(made.values);
      warnings.push(...made.warnings);
    }
    this.rest();
    return { weights, warnings: groupWarnings(warnings) };
  }

  /** A model's own tensor in the checkpoint's layout; not to be written to. */
  async tensor(model: number, segment: number): Promise<Float32Array> {
    const key = `${model} ${segment}`;
    const kept = this.#kept.get(key);
    if (kept) return kept;
    const { models, alignment } = this.#family;
    const { id, model: { handle } } = models[model] as Family["models"][number];
    const values = toCheckpoint(this.#segmentAt(segment), await this.#read(handle, alignment.segments[segment]?.weight[id] as number));
    if (this.#keeps) this.#kept.set(key, values);
    return values;
  }

  /** After a merge: WebAssembly memory that has grown is never given back otherwise. */
  rest(): void {
    if (this.#executor === null || this.#executor.memory.buffer.byteLength <= KEPT_BYTES) return;
    this.#executor.destroy();
    this.#executor = null;
  }

  get #cpu(): CpuExecutor {
    return (this.#executor ??= new CpuExecutor());
  }

  #segmentAt(index: number) {
    const segment = this.#family.alignment.space.segments[index];
    if (!segment) throw new LabError("internal", `The space has no segment ${index}.`);
    return segment;
  }

  /** Tensors of one model as a plan of folders sees them. The graph was aligned already: layers are the base's for all. */
  #headerOf(id: string): ModelHeader {
    const { models, alignment } = this.#family;
    const tensors = alignment.space.segments.map((segment) => ({ name: segment.name, dtype: "F32" as const, shape: checkpointShape(segment) }));
    return { id, tensors, config: models[0]?.model.config?.raw ?? null };
  }

  #tensor({ models }: SegmentPlan, place: number, segment: number, given?: readonly Float32Array[]): Promise<Float32Array> | Float32Array {
    const model = models[place] as number; // the plan named it
    return given?.[model] ?? this.tensor(model, segment);
  }

  async #source(plan: SegmentPlan, index: number, given?: readonly Float32Array[]): Promise<TensorSource> {
    const planned = plan.tensors[index] as PlannedTensor;
    if (planned.kind !== "merge") throw new LabError("internal", `${planned.name} is carried over, not merged.`);
    const inputs = await Promise.all(planned.inputs.map(({ model }) => this.#tensor(plan, model, index, given)));
    return { read: async (input, from, to) => (inputs[input] as Float32Array).subarray(from, to) };
  }
}
