/**
 * Merges of folders, over threads of their own: one that plans and writes, a few that merge. Those that merge live as long as one merge:
 * what they held is given back when they end, and a cancelled one need not be waited for.
 */
import * as Comlink from "comlink";
import type { FolderOptions, LabOptions } from "../lab.ts";
import { cancelled } from "../lib/error.ts";
import { parseRecipe, type Recipe, type RecipeInput } from "../recipe/schema.ts";
import { race } from "../threads/cancel.ts";
import type { LabEvent } from "../threads/events.ts";
import type { FolderPlan, FolderResult } from "../threads/streaming.ts";
import { doorTo, type HubThread, startStreaming, startTensor, type StreamingThread, type TensorThread } from "./workers.ts";

const MOST_THREADS = 4;

export class FolderMerges {
  readonly #hub: () => Promise<HubThread>;
  readonly #threads: number;
  readonly #kernels: LabOptions["kernels"];
  #streaming: StreamingThread | null = null;

  /** `threads`: at most so many merge tensors; as many as there are cores, up to four, unless told. */
  constructor(hub: () => Promise<HubThread>, { threads, kernels }: Pick<LabOptions, "threads" | "kernels">) {
    this.#kernels = kernels;
    this.#hub = hub;
    this.#threads = Math.max(1, Math.min(threads ?? navigator.hardwareConcurrency ?? 1, MOST_THREADS));
  }

  async plan(recipe: RecipeInput | Recipe, { onEvent, signal, ...order }: FolderOptions = {}): Promise<FolderPlan> {
    const parsed = parseRecipe(recipe);
    const { service, died } = await this.#open([], onEvent);
    return race(Promise.race([service.plan({ ...order, recipe: parsed }), died]), signal);
  }

  async merge(recipe: RecipeInput | Recipe, { onEvent, signal, ...order }: FolderOptions = {}): Promise<FolderResult> {
    const parsed = parseRecipe(recipe);
    if (signal?.aborted) throw cancelled();
    const workers = Array.from({ length: this.#threads }, startTensor);
    let cancelling: Promise<void> | null = null;
    try {
      const { service, died } = await this.#open(workers, onEvent);
      signal?.addEventListener("abort", () => (cancelling = service.cancel()), { once: true });
      if (signal?.aborted) throw cancelled();
      return await race(Promise.race([service.merge({ ...(this.#kernels ? { kernels: this.#kernels } : {}), ...order, recipe: parsed }), died, ...workers.map((worker) => worker.died)]), signal);
    } catch (error) {
      // Nothing stays behind: whatever failed, what was written goes.
      await (cancelling ?? Promise.race([this.#streaming?.service.cancel(), this.#streaming?.died.catch(() => undefined)]));
      throw error;
    } finally {
      for (const { worker } of workers) worker.terminate();
    }
  }

  async discard(): Promise<void> {
    await this.#streaming?.service.discard();
  }

  async close(): Promise<void> {
    await this.discard();
    this.#streaming?.worker.terminate();
    this.#streaming = null;
  }

  async #open(workers: readonly TensorThread[], onEvent: ((event: LabEvent) => void) | undefined): Promise<StreamingThread> {
    this.#streaming ??= startStreaming();
    const thread = this.#streaming;
    thread.died.catch(() => (this.#streaming = null));
    const door = await doorTo(await this.#hub());
    const ports = workers.map(({ port }) => port);
    await Promise.race([
      thread.service.open(Comlink.transfer(door, [door]), Comlink.transfer(ports, ports), Comlink.proxy((event: LabEvent) => onEvent?.(event))),
      thread.died,
    ]);
    return thread;
  }
}
