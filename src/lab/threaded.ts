/**
 * The lab over its two threads. Runs queue: never two at once. What was scored is kept here on the page,
 * so a merge thread that hangs or dies is replaced and the run goes on after its last evaluation.
 */
import * as Comlink from "comlink";
import type { FolderOptions, Lab, LabOptions, RunHandle, RunOptions } from "../lab.ts";
import { LabError, cancelled, isLabError } from "../lib/error.ts";
import { parseRecipe, type Recipe, type RecipeInput } from "../recipe/schema.ts";
import type { MergeOrder } from "../recipe/merge.ts";
import type { Report } from "../recipe/report.ts";
import type { Candidate } from "../search/types.ts";
import type { DeviceInfo, LabEvent, OnEvent, Plane } from "../threads/events.ts";
import type { DatasetSource, Preflight, PreflightOrder, Pushed, PushProgress, PushTo, RowsPreview, ZooFamily, MountedFile } from "../threads/hub.ts";
import type { Answer, ExportedFile, Prepared, Remerged, Statistics, Which } from "../threads/merge.ts";
import type { FolderPlan, FolderResult } from "../threads/streaming.ts";
import { FolderMerges } from "./folders.ts";
import { Hung, Watchdog } from "./watchdog.ts";
import { doorTo, startHub, startMerge, ThreadDied, type HubThread, type MergeThread } from "./workers.ts";

const defaultWatchdogMs = 30_000;
/** A thread that had to be replaced this often will not be replaced again. */
const mostRestarts = 2;

export class ThreadedLab implements Lab {
  readonly #options: LabOptions;
  readonly #watchdogMs: number;
  readonly #folders: FolderMerges;
  #hub: Promise<HubThread> | null = null;
  #merge: Promise<MergeThread> | null = null;
  #device: DeviceInfo | null = null;
  #restarts = 0;
  #queue: Promise<unknown> = Promise.resolve();
  #onEvent: OnEvent = () => undefined;

  constructor(options: LabOptions) {
    this.#options = options;
    this.#watchdogMs = options.watchdogMs ?? defaultWatchdogMs;
    this.#folders = new FolderMerges(() => this.#hubThread(), options);
  }

  async families(): Promise<ZooFamily[]> {
    return (await this.#hubThread()).service.families();
  }

  async preflight(order: PreflightOrder): Promise<Preflight> {
    return (await this.#hubThread()).service.preflight(order);
  }

  async preview(source: string | DatasetSource, rows?: number): Promise<RowsPreview> {
    return (await this.#hubThread()).service.rows(source, rows);
  }

  async setToken(token: string | null): Promise<void> {
    return (await this.#hubThread()).service.setToken(token);
  }

  async setHub(hub: string | null, viewer: string | null = null): Promise<void> {
    return (await this.#hubThread()).service.setHub(hub, viewer);
  }

  async stopDownloads(): Promise<void> {
    await (await this.#hub)?.service.stopDownloads();
  }

  async push(files: readonly Pick<ExportedFile, "path" | "bytes">[], to: PushTo, onProgress?: PushProgress): Promise<Pushed> {
    const { service } = await this.#hubThread();
    return service.push(files.map(({ path, bytes }) => ({ path, bytes })), to, onProgress && Comlink.proxy(onProgress));
  }

  async open(onEvent?: OnEvent): Promise<DeviceInfo> {
    if (onEvent) this.#onEvent = onEvent;
    await this.#mergeThread();
    if (!this.#device) throw new LabError("internal", "The merge thread opened without a device.");
    return this.#device;
  }

  prepare(recipe: RecipeInput | Recipe, options: { onEvent?: OnEvent; signal?: AbortSignal } = {}): Promise<Prepared> {
    const parsed = parseRecipe(recipe);
    return this.#next(async () => {
      if (options.signal?.aborted) throw cancelled();
      if (options.onEvent) this.#onEvent = options.onEvent;
      const stop = () => void this.stopDownloads();
      options.signal?.addEventListener("abort", stop, { once: true });
      return this.#prepare(await this.#mergeThread(), parsed).finally(() => options.signal?.removeEventListener("abort", stop));
    });
  }

  start(recipe: RecipeInput | Recipe, options: RunOptions = {}): RunHandle {
    const parsed = parseRecipe(recipe);
    const control = new Control(options.paused ?? false);
    options.signal?.addEventListener("abort", () => control.cancel(), { once: true });
    if (options.signal?.aborted) control.cancel();
    const done = this.#next(() => this.#runToEnd(parsed, options, control));
    done.catch(() => undefined); // the caller may only look at events
    return {
      done,
      pause: () => control.send("pause"),
      resume: () => control.send("resume"),
      step: (by = "particle") => control.send("step", by),
      stop: () => control.send("stop"),
      cancel: () => {
        control.cancel();
        void this.stopDownloads();
      },
    };
  }

  /** Also a recipe that cannot be read is a rejection here, not an exception. */
  async run(recipe: RecipeInput | Recipe, options?: RunOptions): Promise<Report> {
    return this.start(recipe, options).done;
  }

  async planFolders(recipe: RecipeInput | Recipe, options?: FolderOptions): Promise<FolderPlan> {
    return this.#folders.plan(recipe, options);
  }

  mergeFolders(recipe: RecipeInput | Recipe, options?: FolderOptions): Promise<FolderResult> {
    return this.#next(() => this.#folders.merge(recipe, options));
  }

  async discardFolders(): Promise<void> {
    await this.#folders.discard();
  }

  async mount(reference: string, files: MountedFile[]): Promise<void> {
    await (await this.#hubThread()).service.mount(reference, files);
  }

  async predict(image: Uint8Array, models: Which[], task: string | null = null): Promise<Answer[]> {
    return (await this.#mergeThread()).service.predict(image, models, task);
  }

  async ask(question: { prompt: string; pair?: string }, models: Which[], task: string | null = null): Promise<Answer[]> {
    return (await this.#mergeThread()).service.ask(question, models, task);
  }

  async probe(candidate: Candidate, count: number) {
    return (await this.#mergeThread()).service.probe(candidate, count);
  }

  async remerge(merge: MergeOrder): Promise<Remerged> {
    return (await this.#mergeThread()).service.remerge(merge);
  }

  async formula(merge: MergeOrder): Promise<string> {
    return (await this.#mergeThread()).service.formula(merge);
  }

  async statistics(): Promise<Statistics> {
    return (await this.#mergeThread()).service.statistics();
  }

  async plane(axes: [string, string] | null = null): Promise<Plane | null> {
    return (await this.#mergeThread()).service.plane(axes);
  }

  async export(id: string, safetensors = false): Promise<ExportedFile[]> {
    return (await this.#mergeThread()).service.export(id, safetensors);
  }

  async predictions(): Promise<string> {
    return (await this.#mergeThread()).service.predictions();
  }

  async counts() {
    return (await this.#mergeThread()).service.counts();
  }

  readonly cache = {
    list: async () => (await this.#hubThread()).service.cached(),
    forget: async (key: string | null) => (await this.#hubThread()).service.forget(key),
    files: async () => (await this.#hubThread()).service.cacheList(),
    delete: async (id: string) => (await this.#hubThread()).service.cacheDelete(id),
    clear: async () => (await this.#hubThread()).service.cacheClear(),
    estimate: async () => (await this.#hubThread()).service.storageEstimate(),
    // Only a page may ask; without a secure context there is nothing to ask.
    persist: async () => (await (navigator.storage as StorageManager | undefined)?.persist?.().catch(() => false)) ?? false,
  };

  async close(): Promise<void> {
    const [hub, merge] = [await this.#hub, await this.#merge];
    this.#hub = null;
    this.#merge = null;
    if (merge) {
      await Promise.race([merge.service.close(), new Promise((resolve) => setTimeout(resolve, 2000))]);
      merge.worker.terminate();
    }
    await this.#folders.close();
    hub?.worker.terminate();
  }

  /** One after the other, failures included. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined);
    return result;
  }

  #hubThread(): Promise<HubThread> {
    const { assets = "./", storage = "murmuration", mounts = {}, hub, viewer } = this.#options;
    const page = typeof document === "undefined" ? self.location.href : document.baseURI;
    this.#hub ??= startHub({ assets: new URL(assets, page).href, storage, mounts, ...(hub === undefined ? {} : { hub }), ...(viewer === undefined ? {} : { viewer }) });
    return this.#hub;
  }

  #mergeThread(): Promise<MergeThread> {
    this.#merge ??= this.#openMerge();
    this.#merge.catch(() => (this.#merge = null));
    return this.#merge;
  }

  async #openMerge(): Promise<MergeThread> {
    const hub = await this.#hubThread();
    const port = await doorTo(hub);
    const thread = startMerge();
    const { backend = "auto", kernels, precision, threads } = this.#options;
    const options = { backend, kernels, precision, threads, lostTwice: this.#restarts >= mostRestarts };
    this.#device = await Promise.race([
      thread.service.open(options, Comlink.transfer(port, [port]), Comlink.proxy((event: LabEvent) => this.#onEvent(event))),
      thread.died,
    ]);
    return thread;
  }

  async #prepare(thread: MergeThread, recipe: Recipe): Promise<Prepared> {
    return Promise.race([thread.service.prepare(recipe), thread.died]);
  }

  async #runToEnd(recipe: Recipe, options: RunOptions, control: Control): Promise<Report> {
    const rows = [...(options.journal?.rows ?? [])];
    const told = new Set<string>();
    this.#onEvent = (event) => {
      if (event.type === "scored") {
        const key = `${event.run}#${event.evaluation}`;
        if (event.replayed && told.has(key)) return; // a new thread catching up with what the page has seen
        told.add(key);
        if (!event.replayed && options.mode !== "verify") rows.push(event);
      }
      options.onEvent?.(event);
    };
    for (;;) {
      const thread = await this.#mergeThread();
      const ended = new AbortController();
      try {
        return await control.attach(thread, async () => {
          const watch = new Watchdog(() => thread.service.ping(), this.#watchdogMs).watch(ended.signal);
          const run = async () => {
            await this.#prepare(thread, recipe);
            return thread.service.run({ journal: rows.length > 0 ? { rows } : null, mode: options.mode ?? "run", paused: control.paused, only: options.only ?? null });
          };
          return Promise.race([run(), watch, thread.died, control.cancelled]);
        });
      } catch (error) {
        if (isLabError(error, "cancelled")) await this.#settle(thread);
        if (!(error instanceof Hung) && !(error instanceof ThreadDied)) throw error;
        this.#replace(thread, error);
      } finally {
        ended.abort();
      }
    }
  }

  /** After a cancelled run: the thread answers again, or is replaced. */
  async #settle(thread: MergeThread): Promise<void> {
    const answered = await Promise.race([thread.service.idle().then(() => true), new Promise<boolean>((resolve) => setTimeout(resolve, 5000, false))]);
    if (!answered) this.#drop(thread);
  }

  #replace(thread: MergeThread, cause: Error): void {
    this.#drop(thread);
    this.#restarts += 1;
    if (this.#restarts > mostRestarts) {
      throw new LabError("hang", `The merge thread was lost ${this.#restarts} times (${cause.message}). Reload the page; the run can go on from its last step.`, { cause });
    }
    this.#onEvent({ type: "recovered", what: "worker", message: `${cause.message}: the merge thread was started again and goes on from the last evaluation.` });
  }

  #drop(thread: MergeThread): void {
    thread.worker.terminate();
    this.#merge = null;
  }
}

type Command = "pause" | "resume" | "step" | "stop";

/** Buttons of one run: remembered until its thread is there, and across the loss of a thread. */
class Control {
  #thread: MergeThread | null = null;
  #stopped = false;
  readonly cancelled: Promise<never>;
  #reject: (error: LabError) => void = () => undefined;
  paused: boolean;

  constructor(paused: boolean) {
    this.paused = paused;
    this.cancelled = new Promise<never>((_, reject) => (this.#reject = reject));
    this.cancelled.catch(() => undefined);
  }

  async attach<T>(thread: MergeThread, run: () => Promise<T>): Promise<T> {
    this.#thread = thread;
    if (this.#stopped) void thread.service.stop();
    try {
      return await run();
    } finally {
      this.#thread = null;
    }
  }

  send(command: Command, by: "phase" | "particle" | "iteration" = "particle"): void {
    if (command === "pause") this.paused = true;
    if (command === "resume") this.paused = false;
    if (command === "stop") this.#stopped = true;
    const service = this.#thread?.service;
    if (!service) return;
    void (command === "step" ? service.step(by) : service[command]());
  }

  cancel(): void {
    void this.#thread?.service.cancel();
    this.#reject(cancelled());
  }
}
