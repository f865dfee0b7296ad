/** The threads of a lab and the channels between them. Addresses are relative to this module, so a site may lie under any path. */
import * as Comlink from "comlink";
import type { HubOptions, HubService } from "../threads/hub.ts";
import type { MergeService } from "../threads/merge.ts";
import type { StreamingService, TensorService } from "../threads/streaming.ts";
import "../threads/wire.ts";

export interface HubThread {
  readonly worker: Worker;
  readonly service: Comlink.Remote<HubService>;
}

export interface MergeThread {
  readonly worker: Worker;
  readonly service: Comlink.Remote<MergeService>;
  /** Settles (rejects) when the worker itself dies. */
  readonly died: Promise<never>;
}

export async function startHub(options: HubOptions): Promise<HubThread> {
  const worker = new Worker(new URL("../../workers/hub.worker.ts", import.meta.url), { type: "module", name: "hub" });
  const service = Comlink.wrap<HubService>(worker);
  await Promise.race([service.open(options), death(worker, "hub")]);
  return { worker, service };
}

export interface StreamingThread {
  readonly worker: Worker;
  readonly service: Comlink.Remote<StreamingService>;
  readonly died: Promise<never>;
}

export function startStreaming(): StreamingThread {
  const worker = new Worker(new URL("../../workers/streaming.worker.ts", import.meta.url), { type: "module", name: "streaming" });
  const died = death(worker, "streaming");
  died.catch(() => undefined);
  return { worker, service: Comlink.wrap<StreamingService>(worker), died };
}

export interface TensorThread {
  readonly worker: Worker;
  /** For whoever gives it work. */
  readonly port: MessagePort;
  readonly died: Promise<never>;
}

export function startTensor(): TensorThread {
  const worker = new Worker(new URL("../../workers/tensor.worker.ts", import.meta.url), { type: "module", name: "tensor" });
  const died = death(worker, "tensor");
  died.catch(() => undefined);
  const { port1, port2 } = new MessageChannel();
  void Comlink.wrap<TensorService>(worker).connect(Comlink.transfer(port1, [port1]));
  return { worker, port: port2, died };
}

export function startMerge(): MergeThread {
  const worker = new Worker(new URL("../../workers/merge.worker.ts", import.meta.url), { type: "module", name: "merge" });
  const died = death(worker, "merge");
  died.catch(() => undefined);
  return { worker, service: Comlink.wrap<MergeService>(worker), died };
}

/** A door of the hub that the merge thread can be given. */
export async function doorTo(hub: HubThread): Promise<MessagePort> {
  const { port1, port2 } = new MessageChannel();
  await hub.service.connect(Comlink.transfer(port1, [port1]));
  return port2;
}

function death(worker: Worker, name: string): Promise<never> {
  return new Promise((_, reject) => {
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      reject(new ThreadDied(name, event.message));
    });
  });
}

export class ThreadDied extends Error {
  constructor(name: string, message: string) {
    super(`The ${name} thread died: ${message || "no reason given"}`);
  }
}
