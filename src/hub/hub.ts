/** The hub: references in, models and samples out. Works the same in a worker, over a port, and in a plain test. */
import { expose, transfer } from "comlink";
import type { LowRank } from "../checkpoint/lora/factors.ts";
import { LabError } from "../lib/error.ts";
import type { DatasetSource, HubFolder, HubOptions, HubProgress, HubService, LoadedModel, LoadedSamples, MountedFile, Preflight, PreflightOrder, Pushed, PushProgress, PushTo, RowsPreview, ZooFamily } from "../threads/hub.ts";
import { Cache } from "./cache.ts";
import { borrowModel, checkpointBehind, needsGraph, withoutAdapter } from "./borrow.ts";
import { loadModel, type OpenModel } from "./loadModel.ts";
import { type DatasetOrder, loadDataset } from "./samples/dataset.ts";
import { previewOf } from "./samples/rows.ts";
import { loadSamples } from "./samples/samples.ts";
import { paced } from "./pacing.ts";
import { bytesOf, folderTold, placeOf } from "./places.ts";
import { preflight } from "./preflight/preflight.ts";
import { pushFolder } from "./push.ts";
import { hubAddress } from "./remote/address.ts";
import { Connection } from "./remote/connection.ts";
import { Remote } from "./remote/remote.ts";
import { Shelf } from "./shelf.ts";
import { type Folder, openFolder, type Place } from "./sources/source.ts";
import { readFamilies } from "./sources/zoo.ts";

interface Opened extends Place {
  readonly cache: Cache;
}

export class Hub implements HubService {
  private opened: Opened | null = null;
  private readonly models = new Map<number, OpenModel>();
  private handles = 0;

  async open(options: HubOptions): Promise<void> {
    const cache = new Cache(options.storage);
    const shelf = new Shelf(cache);
    const remote = new Remote(new Connection(hubAddress(options.hub, options.viewer)), shelf);
    this.opened = { options, cache, shelf, remote };
  }

  connect(port: MessagePort): void {
    expose(this, port);
  }

  async families(): Promise<ZooFamily[]> {
    return readFamilies(this.here);
  }

  async model(ref: string, tell?: HubProgress, base?: string): Promise<LoadedModel> {
    const place = this.here;
    const onProgress = paced(tell);
    const folder = await openFolder(ref, place);
    const model = await (needsGraph(folder) ? this.borrowed(folder, base, onProgress) : loadModel(folder, onProgress));
    const handle = ++this.handles;
    this.models.set(handle, model);
    return { ...model.told, handle, warnings: place.shelf.warnings.splice(0) };
  }

  /** Into the base's graph; an adapter without a base to borrow from, into the graph of the model it is on. */
  private async borrowed(folder: Folder, base: string | undefined, onProgress?: HubProgress): Promise<OpenModel> {
    if (base === undefined && !folder.adapter) return loadModel(folder, onProgress); // tells what is missing
    const whole = base === undefined ? folder : await openFolder(base, this.here);
    const lender = withoutAdapter(whole);
    const held = [...this.models.values()].find(({ told }) => told.ref === lender);
    const graph = held ?? (await loadModel(await openFolder(lender, this.here), onProgress));
    return borrowModel(folder, graph, base ?? "", onProgress);
  }

  tensor(handle: number, weight: number): Promise<Float32Array> {
    const { onnx } = this.held(handle);
    return Promise.resolve(onnx.tensor(weight)).then((values) => transfer(values, [values.buffer as ArrayBuffer]));
  }

  async factors(handle: number, weight: number): Promise<LowRank | null> {
    const found = await this.held(handle).factors?.(weight);
    return found ? { ...found, left: found.left.slice(), right: found.right.slice() } : null;
  }

  async checkpoint(handle: number): ReturnType<HubService["checkpoint"]> {
    const { map, checkpoint } = await checkpointBehind(this.held(handle));
    return { map, tensors: checkpoint.tensors.map(({ name, shape, dtype }) => ({ name, shape, dtype })) };
  }

  async stored(handle: number, name: string): Promise<Uint8Array> {
    const { checkpoint } = await checkpointBehind(this.held(handle));
    const bytes = (await checkpoint.readRaw(name)).slice();
    return transfer(bytes, [bytes.buffer]);
  }

  async samples(source: string | DatasetSource, onProgress?: HubProgress, rows?: number, seed?: number): Promise<LoadedSamples> {
    const place = this.here;
    const samples = await this.read(source, { rows, seed }, onProgress);
    if (samples.kind === "rows") return { ...samples, warnings: [...(samples.warnings ?? []), ...place.shelf.warnings.splice(0)] };
    const { optimise, validate, test } = samples.splits;
    const buffers = new Set([optimise, validate, test].map((side) => side.pixels.buffer as ArrayBuffer));
    return transfer({ ...samples, warnings: place.shelf.warnings.splice(0) }, [...buffers]);
  }

  async rows(source: string | DatasetSource, limit = 20): Promise<RowsPreview> {
    const samples = await this.read(source, { rows: limit, first: true });
    if (samples.kind !== "rows") throw new LabError("bad-samples", `${String(source)} holds pictures, which have no columns to look at.`);
    return previewOf(samples, limit);
  }

  private async read(source: string | DatasetSource, order: DatasetOrder, onProgress?: HubProgress): Promise<LoadedSamples> {
    if (typeof source !== "string") return loadDataset(source, order, this.here, onProgress);
    return loadSamples(await openFolder(source, this.here), onProgress);
  }

  async file(handle: number, path: string): Promise<Uint8Array> {
    const { bytes } = await this.held(handle).folder.read(path);
    const copy = bytes.slice(); // the original may be another caller's too
    return transfer(copy, [copy.buffer]);
  }

  mount(ref: string, files: MountedFile[]): void {
    this.here.options.mounts[ref] = files;
  }

  async folder(ref: string): Promise<HubFolder> {
    return folderTold(ref, this.here);
  }

  async place(ref: string, path: string, onProgress?: HubProgress): Promise<MountedFile> {
    return placeOf(ref, path, this.here, paced(onProgress));
  }

  async bytes(ref: string, path: string, begin: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await bytesOf(ref, path, begin, end, this.here);
    return transfer(bytes, [bytes.buffer]);
  }

  release(handle: number): void {
    this.models.delete(handle);
  }

  async cached(): ReturnType<HubService["cached"]> {
    return { files: await this.here.cache.list(), ...(await this.storageEstimate()) };
  }

  async forget(key: string | null): Promise<void> {
    const { cache, remote } = this.here;
    remote.forget();
    await cache.forget(key);
  }

  async preflight(order: PreflightOrder): Promise<Preflight> {
    return preflight(order, this.here);
  }

  async setToken(token: string | null): Promise<void> {
    const { remote } = this.here;
    remote.connection.setToken(token);
    remote.forget(); // what was refused before may be given now
  }

  async setHub(hub: string | null, viewer: string | null): Promise<void> {
    const { options, cache, shelf, remote } = this.here;
    const address = hubAddress(hub ?? undefined, viewer ?? undefined);
    if (JSON.stringify(address) === JSON.stringify(remote.connection.address)) return;
    const { hub: _, viewer: __, ...rest } = options;
    this.opened = { options: { ...rest, ...address }, cache, shelf, remote: new Remote(new Connection(address), shelf) };
  }

  stopDownloads(): void {
    this.here.shelf.stop();
  }

  async push(files: readonly { path: string; bytes: Uint8Array }[], to: PushTo, onProgress?: PushProgress): Promise<Pushed> {
    const { hub } = this.here.remote.connection.address;
    return pushFolder(files as readonly { path: string; bytes: Uint8Array<ArrayBuffer> }[], { ...to, hub, ...(onProgress ? { onProgress } : {}) });
  }

  async cacheList(): ReturnType<HubService["cacheList"]> {
    return this.here.cache.files();
  }

  async cacheDelete(id: string): Promise<boolean> {
    const { cache, remote } = this.here;
    remote.forget();
    return cache.delete(id);
  }

  async cacheClear(): Promise<void> {
    await this.forget(null);
  }

  async storageEstimate(): ReturnType<HubService["storageEstimate"]> {
    // Absent without a secure context.
    const storage = (globalThis.navigator as Navigator | undefined)?.storage as StorageManager | undefined;
    const { usage = 0, quota = 0 } = (await storage?.estimate?.().catch(() => ({}) as StorageEstimate)) ?? {};
    const persisted = (await storage?.persisted?.().catch(() => false)) ?? false;
    return { usage, quota, persisted };
  }

  private get here(): Opened {
    if (!this.opened) throw new LabError("internal", "The hub was used before it was opened.");
    return this.opened;
  }

  private held(handle: number): OpenModel {
    const model = this.models.get(handle);
    if (!model) throw new LabError("internal", `The hub holds no model ${handle}: it was released.`);
    return model;
  }
}
