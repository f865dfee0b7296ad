/**
 * A merge of folders, tensor by tensor: plan from headers, hand units to the threads, write what they give, forget it. Memory is bounded by
 * an order's budget, whatever the models' size. The thread behind it writes; those that merge are given to it as ports.
 */
import { proxy, transfer, wrap, type Remote } from "comlink";
import type { StoredTensor } from "../checkpoint/safetensors/header.ts";
import { layOut } from "../checkpoint/safetensors/layout.ts";
import { isFallback } from "../gpu/device.ts";
import { cancelled, LabError } from "../lib/error.ts";
import { needsSurvey } from "../methods/survey.ts";
import type { MergeRun } from "../methods/runs.ts";
import { resultFiles } from "../recipe/plan/files.ts";
import { planMerge } from "../recipe/plan/plan.ts";
import type { MergePlan, PlannedInput } from "../recipe/plan/types.ts";
import type { Recipe } from "../recipe/schema.ts";
import type { LabEvent } from "../threads/events.ts";
import type { HubService, MountedFile } from "../threads/hub.ts";
import type { Deliver, FolderFile, FolderOrder, FolderPlan, FolderResult, PlacedTensor, StreamingHub, StreamingService, TensorReport, TensorService, Unit, UnitTensor } from "../threads/streaming.ts";
import { OF_ADAPTER } from "./adapters.ts";
import { fileIn, type FileOf, type ModelFolder } from "./folder.ts";
import { filesOf, openModels, type StreamedModels } from "./models.ts";
import { Output } from "./output.ts";
import { inPool } from "./pool.ts";
import { Progress } from "./progress.ts";
import { reportOf } from "./report.ts";
import { exportedRun } from "./runs.ts";
import { openSink } from "./sinks/table.ts";
import type { Sink } from "./sinks/sink.ts";
import { budgetOf, unitsOf, type Budget, type PlannedUnit } from "./units.ts";
import { gather } from "../methods/warnings.ts";

const MEMORY_BYTES = 512 * 2 ** 20;

type Thread = Pick<Remote<TensorService>, "open" | "survey" | "heed" | "merge" | "digest">;
type MergeTensor = Extract<UnitTensor, { kind: "merge" }>;

export class FolderStreaming implements StreamingService {
  #hub: StreamingHub | null = null;
  #threads: readonly Thread[] = [];
  #tell: (event: LabEvent) => void = () => undefined;
  #underway: Underway | null = null;
  /** What was written last and lies in the origin's file system. */
  #left: Sink | null = null;

  async open(hub: MessagePort, workers: readonly MessagePort[], onEvent: (event: LabEvent) => void): Promise<void> {
    this.use(wrap<HubService>(hub), workers.map((port) => wrap<TensorService>(port)), onEvent);
  }

  /** The same without ports, in one thread. */
  use(hub: StreamingHub, threads: readonly Thread[], onEvent: (event: LabEvent) => void): void {
    this.#hub = hub;
    this.#threads = threads;
    this.#tell = onEvent;
  }

  async plan(order: FolderOrder): Promise<FolderPlan> {
    const { recipe } = order;
    const run = exportedRun(recipe);
    const opened = await openModels(recipe, run, { hub: this.#opened, download: false });
    const plan = planned(recipe, run, opened);
    budgetOf(order.memoryBytes ?? MEMORY_BYTES, Math.max(1, this.#threads.length));
    return {
      run: run.id, method: run.method, tensors: plan.tensors.length, parameters: plan.parameters, readBytes: plan.readBytes, writeBytes: plan.writeBytes,
      downloadBytes: downloads(plan, opened), memoryBytes: order.memoryBytes ?? MEMORY_BYTES, warnings: plan.warnings,
    };
  }

  async merge(order: FolderOrder): Promise<FolderResult> {
    if (this.#underway) throw new LabError("internal", "One merge of folders at a time; the next waits for it.");
    await this.discard();
    const underway = new Underway();
    this.#underway = underway;
    try {
      const result = await Promise.race([this.#merge(order, underway), underway.cancelled]);
      if (underway.sink?.handsOver) this.#left = underway.sink;
      return result;
    } catch (error) {
      await underway.sink?.abort();
      throw error;
    } finally {
      this.#underway = null;
    }
  }

  async cancel(): Promise<void> {
    const underway = this.#underway;
    underway?.cancel();
    await underway?.sink?.abort();
  }

  async discard(): Promise<void> {
    await this.#left?.abort();
    this.#left = null;
  }

  async #merge(order: FolderOrder, underway: Underway): Promise<FolderResult> {
    const began = performance.now();
    const { recipe, memoryBytes = MEMORY_BYTES } = order;
    const run = exportedRun(recipe);
    const [opened, kernels] = await Promise.all([
      openModels(recipe, run, { hub: this.#opened, download: true, onProgress: proxied((event) => this.#tell({ type: "loading", ...event })) }),
      kernelsFor(order.kernels ?? "auto"),
    ]);
    const plan = planned(recipe, run, opened);
    for (const { code, message } of plan.warnings) this.#tell({ type: "warning", code, message });
    const places = await Places.of(plan, opened);
    await this.#checkDigests(recipe, opened, places);
    underway.check();

    const threads = this.#threads.length;
    const budget = budgetOf(memoryBytes, threads);
    const layout = layOut(plan.tensors, order.shardBytes === undefined ? {} : { maxShardBytes: order.shardBytes });
    const units = unitsOf(plan, layout, (input) => places.find(input), budget, threads);
    const progress = new Progress(plan, this.#tell);
    const [device] = await Promise.all(this.#threads.map((thread, at) => thread.open({ places: places.files, budgetBytes: budget.executorBytes, kernels }, proxied((bytes) => progress.read(at, bytes)))));
    await this.#survey(units);
    underway.check();

    const sink = await openSink(order.sink);
    underway.sink = sink;
    if (underway.isCancelled) await sink.abort(); // whoever cancelled did not know of it
    underway.check();
    const output = new Output(sink, layout);
    for (const [path, bytes] of await smallFiles(plan, recipe, opened)) await output.add(path, bytes);
    const reports = await this.#units(units, output, progress, underway);
    const written = await output.finish();
    progress.finish();
    const files = await this.#files(written, sink, order.digests ?? true);
    const warnings = gather(reports);
    for (const warning of warnings) this.#tell({ type: "warning", ...warning });
    const report = await reportOf({
      recipe, run, plan, opened, warnings, files: files.map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 })),
      device: { kernels: device?.kernels ?? "cpu", adapter: device?.adapter ?? "none", threads },
      cost: { wallMs: performance.now() - began, readBytes: progress.readBytes, writeBytes: progress.writtenBytes, downloadBytes: downloads(plan, opened), peakBytes: peakOf(units, budget, threads) },
    });
    this.#tell({ type: "done" });
    return { report, files };
  }

  async #units(units: readonly PlannedUnit[], output: Output, progress: Progress, underway: Underway): Promise<readonly TensorReport[]> {
    const reports: (readonly TensorReport[])[] = [];
    await inPool(units, this.#threads.length, async (unit, at) => {
      underway.check();
      progress.begin(at, unit.tensors[0]?.name ?? "", unit.readBytes);
      const deliver: Deliver = async (file, offset, bytes) => {
        underway.check();
        await output.write(file, offset, bytes);
        progress.written(at, bytes.length);
        return transfer(bytes.buffer, [bytes.buffer]);
      };
      const { file, tensors, keep } = unit;
      const order: Unit = { file, tensors, keep };
      reports[unit.index] = await (this.#threads[at] as Thread).merge(order, proxied(deliver)); // the pool counts threads
      await output.done(unit.file, unit.writeBytes);
      progress.end(at);
    });
    return reports.flat();
  }

  /** For methods that look at the whole model first; one thread does, and tells all. */
  async #survey(units: readonly PlannedUnit[]): Promise<void> {
    const tensors = [...units].sort((a, b) => a.index - b.index).flatMap((unit) => unit.tensors).filter((tensor): tensor is MergeTensor => tensor.kind === "merge");
    if (!tensors.some(({ job }) => needsSurvey(job))) return;
    const survey = await (this.#threads[0] as Thread).survey(tensors); // there is at least one
    await Promise.all(this.#threads.map((thread) => thread.heed(survey)));
  }

  async #files(written: readonly { path: string; bytes: number }[], sink: Sink, digests: boolean): Promise<FolderFile[]> {
    const files: FolderFile[] = [];
    await inPool(written, this.#threads.length, async ({ path, bytes }, at) => {
      const blob = await sink.file(path);
      if (blob.size !== bytes) throw new LabError("run-failed", `${path} has ${blob.size} bytes after it was written, not ${bytes}. Something else changed it; merge again.`, { details: { path } });
      const sha256 = digests ? await (this.#threads[at] as Thread).digest({ path, bytes, blob }) : "";
      files.push({ path, bytes, sha256, blob: sink.handsOver ? blob : null });
    });
    return files.sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  /** A recipe that says which files it was made with is held to them; where no listing tells a digest the file is read for it. */
  async #checkDigests(recipe: Recipe, { models }: StreamedModels, places: Places): Promise<void> {
    for (const { id, folder, adapter } of models) {
      const { sha256: wanted = {}, revision } = id === "base" ? recipe.base : (recipe.experts.find((expert) => expert.id === id) ?? {});
      if (revision !== undefined && folder.told.revision !== undefined && folder.told.revision !== revision) {
        throw new LabError("digest-mismatch", `${folder.reference} is at ${folder.told.revision.slice(0, 12)}…, but the recipe was made with ${revision.slice(0, 12)}…. Write ${folder.reference}@${revision}, or leave revision out of the recipe.`);
      }
      for (const [path, digest] of Object.entries(wanted)) {
        const where = adapter && OF_ADAPTER.includes(path) ? adapter.folder : folder;
        const file = where.told.files.find((one) => one.path === path);
        const got = file && (file.sha256 ?? (places.has(where, path) || file.bytes < 1e8 ? await (this.#threads[0] as Thread).digest(await where.place(path)) : digest));
        if (got === digest) continue;
        throw new LabError("digest-mismatch", `${path} of ${id} (${where.reference}) ${got ? `is ${got.slice(0, 12)}…` : "is not there"}, but the recipe was made with ${digest.slice(0, 12)}…. Take the same file, or leave sha256 out of the recipe.`);
      }
    }
  }

  get #opened(): StreamingHub {
    if (!this.#hub) throw new LabError("internal", "The streaming thread was used before it was opened.");
    return this.#hub;
  }
}

/** The GPU where there is a real one; an adapter in software is slower than WebAssembly. Asked without opening a device. */
async function kernelsFor(wanted: NonNullable<FolderOrder["kernels"]>): Promise<"webgpu" | "cpu"> {
  if (wanted !== "auto") return wanted;
  const adapter = await ((globalThis.navigator as Navigator | undefined)?.gpu as GPU | undefined)?.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  return adapter && !isFallback(adapter.info) ? "webgpu" : "cpu";
}

/** One merge, which may be given up at any time. */
class Underway {
  sink: Sink | null = null;
  readonly cancelled: Promise<never>;
  #reject: (error: LabError) => void = () => undefined;
  isCancelled = false;

  constructor() {
    this.cancelled = new Promise<never>((_, reject) => (this.#reject = reject));
    this.cancelled.catch(() => undefined);
  }

  cancel(): void {
    this.isCancelled = true;
    this.#reject(cancelled());
  }

  check(): void {
    if (this.isCancelled) throw cancelled();
  }
}

/** Files that hold inputs, counted once each. */
class Places {
  readonly files: MountedFile[] = [];
  readonly #opened: StreamedModels;
  readonly #index = new Map<string, number>();

  private constructor(opened: StreamedModels) {
    this.#opened = opened;
  }

  static async of(plan: MergePlan, opened: StreamedModels): Promise<Places> {
    const places = new Places(opened);
    for (const input of inputsOf(plan)) {
      for (const file of filesOf(places.#model(input), input.tensor)) {
        const key = keyOf(file);
        if (places.#index.has(key)) continue;
        places.#index.set(key, places.files.length);
        places.files.push(await file.folder.place(file.path));
      }
    }
    return places;
  }

  has(folder: ModelFolder, path: string): boolean {
    return this.#index.has(keyOf({ folder, path }));
  }

  find(input: PlannedInput): PlacedTensor {
    const { folder, checkpoint, adapter } = this.#model(input);
    const replaced = adapter?.replaced(input.tensor);
    const stored = replaced ?? checkpoint.get(input.tensor);
    if (!stored) throw new LabError("internal", `${input.tensor} lies in no file of ${folder.reference}.`);
    const placed = this.#place(replaced && adapter ? adapter.folder : folder, stored);
    const adapted = adapter?.place(input.tensor, (tensor) => this.#place(adapter.folder, tensor));
    return adapted ? { ...placed, adapted } : placed;
  }

  #place(folder: ModelFolder, { name, file, offset, bytes, dtype }: StoredTensor): PlacedTensor {
    const place = this.#index.get(keyOf(fileIn(folder, { file })));
    if (place === undefined) throw new LabError("internal", `${name} lies in no file of ${folder.reference}.`);
    return { place, offset, bytes, dtype };
  }

  #model({ model }: PlannedInput) {
    const found = this.#opened.models[model];
    if (!found) throw new LabError("internal", `The plan has no model ${model}.`);
    return found;
  }
}

const keyOf = ({ folder, path }: FileOf) => `${folder.reference}\n${path}`;

function inputsOf({ tensors }: MergePlan): PlannedInput[] {
  return tensors.flatMap((tensor) => (tensor.kind === "merge" ? [...tensor.inputs] : [tensor.input, ...tensor.alike]));
}

function planned(recipe: Recipe, run: MergeRun, { models, foreign }: StreamedModels): MergePlan {
  return planMerge(recipe, run, { models: models.map(({ header }) => header), foreign: foreign?.tokenizer ?? null });
}

/** Bytes of the files that a plan needs from the Hub. */
function downloads(plan: MergePlan, { models }: StreamedModels): number {
  const wanted = new Map(inputsOf(plan).flatMap(({ model, tensor }) => (models[model] ? filesOf(models[model], tensor) : [])).map((file) => [keyOf(file), file]));
  return [...wanted.values()].reduce((sum, { folder: { told }, path }) => sum + (told.remote ? (told.files.find((file) => file.path === path)?.bytes ?? 0) : 0), 0);
}

/** Files beside the weights. */
async function smallFiles(plan: MergePlan, recipe: Recipe, opened: StreamedModels): Promise<[string, Uint8Array<ArrayBuffer>][]> {
  const folderOf = (from: string): ModelFolder => {
    const folder = opened.models.find(({ id }) => id === from)?.folder ?? (opened.foreign?.reference === from ? opened.foreign.folder : undefined);
    if (!folder) throw new LabError("internal", `Files were to be copied from ${from}, which is no model of this merge.`);
    return folder;
  };
  const has = (from: string) => new Set(folderOf(from).told.files.map(({ path }) => path));
  const { written, copied } = resultFiles(plan, recipe, has, (from, name) => opened.texts.get(from)?.get(name) ?? null);
  const copies = copied.map(async ({ from, path }): Promise<[string, Uint8Array<ArrayBuffer>]> => [path, await folderOf(from).bytes(path)]);
  return [...[...written].map(([path, text]): [string, Uint8Array<ArrayBuffer>] => [path, new TextEncoder().encode(text)]), ...(await Promise.all(copies))];
}

/** Buffers at most: those of the executors, and windows of the largest units. */
function peakOf(units: readonly PlannedUnit[], { executorBytes, totalBytes }: Budget, threads: number): number {
  const windows = [...units].sort((a, b) => b.heldBytes - a.heldBytes).slice(0, threads).reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  return Math.min(totalBytes, threads * executorBytes + windows);
}

function proxied<F extends (...given: never[]) => unknown>(work: F): F {
  return proxy(work);
}
