/**
 * Data-free merges of a family in ONNX. What each tensor is made of comes from the same plan as for folders, by canonical names; tensors
 * are merged in the checkpoint's own layout and given back in the graph's. So both forms of a family give the same merge, masks included.
 */
import { CpuExecutor } from "../methods/executor.cpu.ts";
import { mergeTensor } from "../methods/merge.ts";
import type { MergeRun } from "../methods/runs.ts";
import { needsSurvey, surveyModel, type Survey } from "../methods/survey.ts";
import type { TensorJob, TensorSource } from "../methods/types.ts";
import { gather, type GatheredWarning, type MergedTensor } from "../methods/warnings.ts";
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

export interface MadeSegment {
  readonly values: Float32Array;
  readonly told: MergedTensor;
}

export interface Derived {
  /** One array a segment, in the graph's layout. */
  readonly weights: Float32Array[];
  readonly warnings: GatheredWarning[];
}

/** With m = merged − base. */
export interface Measured {
  /** What was merged, tensor by tensor. */
  readonly jobs: readonly TensorJob[];
  /** ‖m‖₂ */
  readonly norm: number;
  /** ⟨m, column⟩ by id: the base's weights, each expert's task vector. */
  readonly inner: Readonly<Record<string, number>>;
  readonly warnings: GatheredWarning[];
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
    const plan = this.#resolve(recipe, run);
    const jobs = jobsOf(plan);
    if (jobs[0] === undefined || !needsSurvey(jobs[0])) return plan;
    const segmentOf = new Map(plan.tensors.map(({ name }, segment) => [name, segment]));
    const survey = await surveyModel(jobs, ({ name }) => this.#source(plan, segmentOf.get(name) as number), { executor: this.#cpu });
    return { ...plan, survey };
  }

  /** What is to be merged, tensor by tensor, all numbers settled; tensors that are only carried over are not there. */
  jobs(recipe: Recipe, run: MergeRun): TensorJob[] {
    return jobsOf(this.#resolve(recipe, run));
  }

  #resolve(recipe: Recipe, run: MergeRun): SegmentPlan {
    const { models, alignment } = this.#family;
    const plan = planMerge(recipe, run, { models: models.map(({ id }) => this.#headerOf(id)) });
    const byName = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
    const tensors = alignment.space.segments.map(({ name }) => {
      const planned = byName.get(name);
      if (!planned) throw new LabError("graph-mismatch", `${name} of this family has no place in a merge by ${run.method}: another tensor has the same name in an older spelling.`);
      return planned;
    });
    return { tensors, models: modelsOf(recipe, run).map((id) => models.findIndex((model) => model.id === id)), survey: undefined };
  }

  /** One segment in the graph's layout. `given`: the models' own tensors of it in that layout, where the caller has read them anyway. */
  async segment(plan: SegmentPlan, index: number, given?: readonly Float32Array[]): Promise<MadeSegment> {
    const segment = this.#segmentAt(index);
    const made = await this.#made(plan, index, given?.map((tensor) => toCheckpoint(segment, tensor)));
    return { ...made, values: toGraph(segment, made.values) };
  }

  /** In the checkpoint's layout; the caller's own array. */
  async #made(plan: SegmentPlan, index: number, given?: readonly Float32Array[]): Promise<MadeSegment> {
    const planned = plan.tensors[index] as PlannedTensor; // one a segment
    const { name, elements } = planned;
    if (planned.kind === "copy") {
      const values = (await this.#tensor(plan, planned.input.model, index, given)).slice();
      return { values, told: { name, elements, norm: Math.sqrt(dot(values, values)), warnings: [] } };
    }
    const values = new Float32Array(elements);
    const merged = await mergeTensor(planned.job, await this.#source(plan, index, given), (from, chunk) => values.set(chunk, from), { executor: this.#cpu, survey: plan.survey });
    return { values, told: { ...merged, name, elements } };
  }

  /** All segments, one after the other. */
  async merge(recipe: Recipe, run: MergeRun): Promise<Derived> {
    const plan = await this.plan(recipe, run);
    const weights: Float32Array[] = [];
    const told: MergedTensor[] = [];
    for (const index of plan.tensors.keys()) {
      const made = await this.segment(plan, index);
      weights.push(made.values);
      told.push(made.told);
    }
    this.rest();
    return { weights, warnings: gather(told) };
  }

  /** A merge that is looked at and dropped: where it lies among the models. */
  async measure(recipe: Recipe, run: MergeRun): Promise<Measured> {
    const plan = await this.plan(recipe, run);
    const inner = this.#family.models.map(() => 0);
    let squares = 0;
    const told: MergedTensor[] = [];
    for (const index of plan.tensors.keys()) {
      const made = await this.#made(plan, index);
      told.push(made.told);
      const [base, ...experts] = await Promise.all(inner.map((_, model) => this.tensor(model, index))) as [Float32Array, ...Float32Array[]];
      const moved = made.values;
      for (let i = 0; i < moved.length; i++) moved[i] = (moved[i] as number) - (base[i] as number);
      squares += dot(moved, moved);
      const withBase = dot(moved, base);
      inner[0] = (inner[0] as number) + withBase;
      experts.forEach((expert, e) => (inner[e + 1] = (inner[e + 1] as number) + dot(moved, expert) - withBase));
    }
    this.rest();
    const ids = this.#family.models.map(({ id }) => id);
    return { jobs: jobsOf(plan), norm: Math.sqrt(squares), inner: Object.fromEntries(ids.map((id, i) => [id, inner[i] as number])), warnings: gather(told) };
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

function jobsOf({ tensors }: SegmentPlan): TensorJob[] {
  return tensors.flatMap((tensor) => (tensor.kind === "merge" ? [tensor.job] : []));
}

/** Four sums at once: one alone would wait for itself at every step. */
function dot(a: Float32Array, b: Float32Array): number {
  let [s, t, u, v] = [0, 0, 0, 0];
  const even = a.length & ~3;
  for (let i = 0; i < even; i += 4) {
    s += (a[i] as number) * (b[i] as number);
    t += (a[i + 1] as number) * (b[i + 1] as number);
    u += (a[i + 2] as number) * (b[i + 2] as number);
    v += (a[i + 3] as number) * (b[i + 3] as number);
  }
  for (let i = even; i < a.length; i++) s += (a[i] as number) * (b[i] as number);
  return s + t + (u + v);
}
