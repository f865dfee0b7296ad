/**
 * Everything a candidate needs to become a score: the basis and one slot on a device, one session, the heads.
 * A lost device is replaced here: weights come again from the hub (its cache), nothing else is lost.
 */
import type { Feeds } from "../fitness/runtime.ts";
import { library } from "../fitness/texts/library.ts";
import { cpuTensor, gpuTensor, runtimeMeter } from "../fitness/runtime.ts";
import type { SampleScores } from "../fitness/types.ts";
import { LabError, isLabError } from "../lib/error.ts";
import { rowOf } from "../methods/rows.ts";
import { gather, type GatheredWarning, type MergedTensor } from "../methods/warnings.ts";
import { type MergeOrder, parseMerge } from "../recipe/merge.ts";
import type { DerivedColumn } from "../search/starts.ts";
import type { Candidate } from "../search/types.ts";
import { openResidentSwarm } from "../search/pso/resident.ts";
import { openBasis } from "../space/basis.ts";
import type { Basis, DirectionSpec, Slot } from "../space/types.ts";
import type { LabEvent } from "../threads/events.ts";
import type { EngineOptions } from "../threads/merge.ts";
import { coefficientsOf } from "./candidates.ts";
import { derivedOf, directionsOf } from "./directions.ts";
import { equip, type Equipment } from "./equipment.ts";
import { type Evaluators, openEvaluators, type Question, type Readers, readersOf, type Said, type Job, reads } from "./evaluators.ts";
import { type Heads, loadHeads } from "./heads.ts";
import type { Hub, Loaded, LoadedTask } from "./loading.ts";
import { FamilyMerger } from "./merging.ts";
import { Residence } from "./residence.ts";
import type { SlotWeights } from "./voices.ts";

/** What runs on one device; replaced as a whole when it is lost. */
interface Setup {
  readonly equipment: Equipment;
  readonly basis: Basis;
  readonly gram: Promise<Float64Array>;
  readonly slot: Slot;
  readonly evaluators: Evaluators;
  readonly lost: Promise<never>;
}

/** What came of writing a candidate; `warnings` of the methods that made its weights. */
export interface Placed {
  readonly nonFinite: boolean;
  readonly warnings: readonly GatheredWarning[];
}

export class Workbench {
  readonly loaded: Loaded;
  readonly directions: readonly DirectionSpec[];
  readonly merger: FamilyMerger;
  /** Merges that are columns of the basis, and what their methods had to say. */
  readonly derived: readonly DerivedColumn[];
  readonly derivedWarnings = new Map<string, readonly GatheredWarning[]>();
  readonly #hub: Hub;
  readonly #options: EngineOptions;
  readonly #emit: (event: LabEvent) => void;
  readonly #fed = new WeakMap<readonly Float32Array[], Feeds>();
  #heads: Heads | null = null;
  #readers: Readers | null = null;
  readonly #residences = new Map<Residence, number>();
  #setup: Setup | null = null;
  #losses: number;
  #inferencesBefore = 0;
  #faulty = false;

  constructor(loaded: Loaded, hub: Hub, options: EngineOptions, emit: (event: LabEvent) => void) {
    this.loaded = loaded;
    this.directions = directionsOf(loaded.recipe, options.precision ?? "f32", loaded.lowRank);
    this.derived = derivedOf(loaded.recipe);
    this.merger = new FamilyMerger(loaded, (handle, weight) => hub.tensor(handle, weight));
    this.#hub = hub;
    this.#options = options;
    this.#emit = emit;
    this.#losses = options.lostTwice ? 2 : 0;
  }

  get equipment(): Equipment {
    return this.#ready.equipment;
  }

  get basis(): Basis {
    return this.#ready.basis;
  }

  /** Inner products of the basis' columns, `[columns × columns]`. */
  gram(): Promise<Float64Array> {
    return this.#orLost(this.#ready.gram);
  }

  get columns(): string[] {
    return this.directions.map(({ id }) => id);
  }

  get inferences(): number {
    return this.#inferencesBefore + (this.#setup?.evaluators.inferences ?? 0);
  }

  /** Time spent inside runtime calls since this page began. */
  get runtimeMs(): number {
    return runtimeMeter.ms;
  }

  get #ready(): Setup {
    if (!this.#setup) throw new LabError("internal", "The workbench was used before it was set up.");
    return this.#setup;
  }

  /** Builds basis, slot and session on a device. Says which models hold numbers that are not finite. */
  async setUp(equipment?: Equipment): Promise<void> {
    const { alignment } = this.loaded;
    const tools = equipment ?? (await equip(this.#options, this.#losses));
    if (tools.gpu) tools.gpu.onFault = (message) => this.#tellFault(message);
    if (reads(this.loaded.tasks)) void library().catch(() => undefined); // fetched on the way; who needs it says what is wrong
    const basis = openBasis(alignment.space, this.directions, { device: tools.gpu });
    await this.#fill(basis);
    const { nonFinite } = await basis.seal();
    const gram = basis.gram(); // on the device, while the runtime reads the graph
    gram.catch(() => undefined);
    if (!this.#setup) {
      nonFinite.forEach((count, index) => {
        if (count === 0) return;
        const id = this.#denseIds[index];
        this.#emit({ type: "warning", code: "non-finite-weights", message: `${id} holds ${count} weights that are not finite numbers; candidates that take part in them are marked as diverged.`, details: { model: id, count } });
      });
    }
    this.#emit({ type: "loading", file: "graph", state: "compile", loaded: 0, total: alignment.graph.byteLength });
    this.#heads ??= await loadHeads(this.loaded, this.#hub);
    this.#readers ??= await readersOf(this.loaded, this.#hub);
    const slot = basis.openSlot(tools.runtime.provider === "webgpu" ? "gpu" : "cpu");
    const evaluators = await openEvaluators(this.loaded, this.#heads, this.#readers, tools);
    const lost = tools.gpu
      ? tools.gpu.whenLost.then((): never => {
          throw new LabError("device-lost", "The GPU was lost.");
        })
      : new Promise<never>(() => undefined);
    lost.catch(() => undefined);
    this.#inferencesBefore = this.inferences;
    this.#setup = { equipment: tools, basis, gram, slot, evaluators, lost };
    this.#emit({ type: "loading", file: "graph", state: "warm-up", loaded: alignment.graph.byteLength, total: alignment.graph.byteLength });
  }

  /** Once: a fault that comes with every candidate is one fault. */
  #tellFault(message: string): void {
    if (this.#faulty) return;
    this.#faulty = true;
    this.#emit({ type: "warning", code: "gpu-fault", message: `The GPU refused a call, so numbers of this run may be wrong: ${message} Try the backend wasm, and compare.` });
  }

  /** Writes a candidate into the slot. */
  async place(candidate: Candidate, residence?: Residence): Promise<Placed> {
    const { slot } = this.#ready;
    if (candidate.kind === "method") return this.#placeMerge(candidate);
    const table = coefficientsOf(candidate, this.directions.length, this.loaded.alignment.space.segments.length);
    if (table) return this.#quietly(slot.materialise(table));
    if (candidate.kind !== "resident" || !residence) throw new LabError("internal", "A resident particle was placed without its swarm.");
    return this.#quietly(residence.show(candidate.particle, candidate.what, slot));
  }

  async #placeMerge(order: MergeOrder): Promise<Placed> {
    const { recipe } = this.loaded;
    const run = parseMerge(order, recipe);
    const row = rowOf(run, recipe, this.columns);
    if (row) return this.#quietly(this.#ready.slot.materialise(row));
    const { weights, warnings } = await this.merger.merge(recipe, run);
    return { ...(await this.placeWeights(weights)), warnings };
  }

  async #quietly(work: Promise<{ nonFinite: boolean }>): Promise<Placed> {
    return { ...(await this.#orLost(work)), warnings: [] };
  }

  /** The candidate that is likely placed next, begun while this one is scored. */
  ahead(candidate: Candidate): void {
    const { slot } = this.#ready;
    if (!slot.ahead) return;
    const table = coefficientsOf(candidate, this.directions.length, this.loaded.alignment.space.segments.length);
    if (table) slot.ahead(table);
  }

  /** Writes given weights into the slot, e.g. rounded ones; one array a segment. */
  placeWeights(weights: readonly Float32Array[]): Promise<{ nonFinite: boolean }> {
    return this.#orLost(this.#ready.slot.write(weights));
  }

  readWeights(): Promise<Float32Array[]> {
    return this.#orLost(this.#ready.slot.read());
  }

  /** Scores what the slot holds, one entry a job; null: it diverged before that job's turn. */
  score(jobs: readonly Job[], between: () => Promise<void>): Promise<(SampleScores | null)[]> {
    return this.#orLost(this.#ready.evaluators.score(this.#weights, jobs, between));
  }

  /** What the slot's weights say to one input, one entry a task. */
  answer(tasks: readonly LoadedTask[], question: Question): Promise<Said[]> {
    return this.#orLost(this.#ready.evaluators.answer(this.#weights, tasks, question));
  }

  /** Work that needs the device; when it is lost on the way all is rebuilt and the work is done again. */
  async persist<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isLabError(error, "device-lost") && !(await this.#isLost())) throw error;
        await this.#recover();
      }
    }
  }

  /** A swarm of weights on this workbench; survives the loss of the device. */
  async settle(particles: number): Promise<Residence> {
    const residence: Residence = new Residence(openResidentSwarm(this.basis, particles), async (work) => {
      const setup = this.#ready;
      try {
        return { value: await this.#orLost(work()) };
      } catch (error) {
        if (!isLabError(error, "device-lost") && !(await this.#isLost())) throw error;
        if (this.#setup === setup) await this.#recover();
        return "rebuilt";
      }
    });
    this.#residences.set(residence, particles);
    return residence;
  }

  leave(residence: Residence): void {
    this.#residences.delete(residence);
    residence.destroy();
  }

  async close(): Promise<void> {
    for (const residence of this.#residences.keys()) residence.destroy();
    this.#residences.clear();
    this.#setup?.slot.destroy();
    this.#setup?.basis.destroy();
  }

  async #recover(): Promise<void> {
    this.#losses += 1;
    const tools = await equip({ ...this.#options, backend: this.#losses >= 2 ? "wasm" : this.#options.backend === "webgpu" ? "auto" : this.#options.backend }, this.#losses);
    await this.setUp(tools);
    for (const [residence, particles] of this.#residences) await residence.rebuild(openResidentSwarm(this.basis, particles));
    const { kernels, runtime } = tools.info;
    this.#emit({
      type: "recovered",
      what: kernels === "cpu" ? "fallback" : "device",
      message: kernels === "cpu" ? "The GPU was lost again: the run goes on without it, scoring on WASM." : `The GPU was lost and is back: the run goes on where it was (kernels ${kernels}, scoring ${runtime}).`,
    });
  }

  async #isLost(): Promise<boolean> {
    // The rejection of a call may overtake the news of the loss by a moment.
    const gpu = this.#setup?.equipment.gpu;
    if (!gpu) return false;
    return Promise.race([gpu.whenLost.then(() => true), new Promise<boolean>((resolve) => setTimeout(resolve, 500, false))]);
  }

  #orLost<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#ready.lost]);
  }

  async #fill(basis: Basis): Promise<void> {
    const { alignment, models, recipe } = this.loaded;
    const plans = [];
    for (const { id, run } of this.derived) plans.push({ plan: await this.merger.plan(recipe, run), told: [] as MergedTensor[], id });
    const ranks = new Map(this.directions.flatMap((one) => (one.kind === "lowrank" ? [[one.id, one.ranks] as const] : [])));
    // Adapters that stay factors are multiplied out only for merges, which want all models whole.
    const wanted = models.filter(({ id }) => plans.length > 0 || !ranks.has(id));
    const fetched = (index: number) => {
      const segment = alignment.segments.at(index);
      return Promise.all(segment ? wanted.map(({ id, model }) => this.#hub.tensor(model.handle, segment.weight[id])) : []);
    };
    let coming = fetched(0);
    for (const [index, segment] of alignment.segments.entries()) {
      const tensors = await coming;
      coming = fetched(index + 1); // on its way while this one is stored
      coming.catch(() => undefined);
      const [base] = tensors;
      const vectors = tensors.filter((_, i) => i > 0 && !ranks.has(wanted[i].id));
      for (const { plan, told } of plans) {
        const made = await this.merger.segment(plan, index, tensors);
        vectors.push(made.values);
        told.push(made.told);
      }
      basis.put(index, base, vectors);
      for (const { id, model } of models) {
        if (!ranks.get(id)?.[index]) continue;
        const factors = await this.#hub.factors(model.handle, segment.weight[id]);
        if (!factors) throw new LabError("internal", `${id} changes ${alignment.space.segments[index].name} by more than factors.`);
        basis.putFactors(index, id, factors);
      }
    }
    this.merger.rest();
    for (const { id, told } of plans) this.derivedWarnings.set(id, gather(told));
  }

  /** Of the base and the dense directions, as a basis counts them. */
  get #denseIds(): string[] {
    return this.directions.filter(({ kind }) => kind !== "masked").map(({ id }) => id);
  }

  get #weights(): SlotWeights {
    const { slot } = this.#ready;
    return { feeds: () => this.#feeds(slot), arrays: () => slot.arrays };
  }

  /** Made once for each set of arrays a slot has. */
  #feeds(slot: Slot): Feeds {
    const { alignment } = this.loaded;
    const kept = this.#fed.get(slot.arrays);
    if (kept) return kept;
    const feeds: Feeds = {};
    alignment.segments.forEach((segment, index) => {
      const { shape } = alignment.space.segments[index];
      const tensor = slot.bind === "gpu" ? gpuTensor(slot.buffers[index], shape) : cpuTensor(slot.arrays[index], shape);
      for (const input of segment.inputs) feeds[input] = tensor;
    });
    this.#fed.set(slot.arrays, feeds);
    return feeds;
  }
}
