/** A folder with a model in it → everything the lab needs to know, with the weights still in their file. */
import type { LowRank } from "../checkpoint/lora/factors.ts";
import type { Role } from "../checkpoint/onnx/parts.ts";
import { externalPaths, readParts } from "../checkpoint/onnx/read.ts";
import type { ModelFile, OnnxSkeleton } from "../checkpoint/types.ts";
import { LabError } from "../lib/error.ts";
import type { HubProgress, LoadedModel } from "../threads/hub.ts";
import { parseConfig, parseNames, parsePreprocessor } from "./config.ts";
import { beside } from "./paths.ts";
import { isUnmerged, nothingToTake, pick } from "./pick.ts";
import type { Folder, FolderFile } from "./sources/source.ts";

export interface OpenModel {
  readonly onnx: {
    readonly skeleton: OnnxSkeleton;
    /** One weight as f32 in an array of its own. */
    tensor(weight: number): Float32Array | Promise<Float32Array>;
  };
  readonly folder: Folder;
  readonly told: Omit<LoadedModel, "handle" | "warnings">;
  /** Of an adapter on the base: what it adds to a weight; null: no product of factors. */
  factors?(weight: number): Promise<LowRank | null>;
}

const text = (file: FolderFile): string => new TextDecoder().decode(file.bytes);

export async function loadModel(folder: Folder, onProgress?: HubProgress): Promise<OpenModel> {
  const { reference } = folder;
  const graphs = choose(folder);
  const reading = new Reading(folder, onProgress);
  const external = new Map<string, Uint8Array>(); // parts lie in one folder, so a name means one file
  const parts = await Promise.all(graphs.map(async ({ role, path }) => {
    const { bytes } = await reading.read(path);
    const file = `${reference}/${path}`;
    for (const one of externalPaths(bytes, file)) {
      const place = beside(path, one);
      if (!has(folder, place)) throw new LabError("not-found", `${file} keeps its weights in ${one}, which is missing. Put both files into the same folder.`, { details: { path: place } });
      external.set(one, (await reading.read(place)).bytes);
    }
    return { role, file, bytes };
  }));
  const onnx = readParts(parts, { name: parts[0]?.file ?? reference, external: (one) => external.get(one) ?? new Uint8Array() });
  return { onnx, folder, told: await describeAs(reading, folder, onnx.skeleton) };
}

/** What is told of a folder's model, whatever its weights are made of. */
export function describe(folder: Folder, skeleton: OnnxSkeleton, onProgress?: HubProgress): Promise<OpenModel["told"]> {
  return describeAs(new Reading(folder, onProgress), folder, skeleton);
}

/** Files of a folder, with what is learnt of them on the way. */
class Reading {
  readonly digests = new Map<string, string>();
  downloadBytes = 0;

  constructor(private readonly folder: Folder, private readonly onProgress?: HubProgress) {}

  async read(path: string): Promise<FolderFile> {
    return this.note(path, await this.folder.read(path, this.onProgress));
  }

  async optional(path: string): Promise<string | null> {
    return has(this.folder, path) ? text(await this.read(path)) : null;
  }

  note(path: string, file: FolderFile): FolderFile {
    this.digests.set(path, file.sha256);
    this.downloadBytes += file.downloaded;
    return file;
  }
}

async function describeAs(reading: Reading, folder: Folder, skeleton: OnnxSkeleton): Promise<OpenModel["told"]> {
  const { reference } = folder;
  const configText = await reading.optional("config.json");
  const config = configText === null ? null : parseConfig(configText, `${reference}/config.json`);
  const preprocessorText = await reading.optional("preprocessor_config.json");
  const preprocessor = preprocessorText === null ? null : parsePreprocessor(preprocessorText, `${reference}/preprocessor_config.json`, config);
  const namesText = folder.readNames ? text(reading.note("names.json", await folder.readNames())) : await reading.optional("names.json");
  const card = folder.family && [folder.family.base, ...folder.family.experts].find((one) => one.model === reference);
  return {
    ref: reference,
    skeleton,
    config,
    preprocessor,
    names: namesText === null ? null : parseNames(namesText, `${reference}/names.json`),
    files: folder.files.map((file): ModelFile => {
      const sha256 = file.sha256 ?? reading.digests.get(file.path);
      return { ...file, ...(sha256 === undefined ? {} : { sha256 }) };
    }),
    family: folder.family?.family ?? null,
    title: card?.title ?? reference.split("/").at(-1) ?? reference,
    summary: card?.summary ?? "",
    icon: card?.icon ?? "",
    batch: folder.family?.batch ?? null,
    ...(folder.revision === undefined ? {} : { revision: folder.revision }),
    downloadBytes: reading.downloadBytes,
  };
}

const has = (folder: Folder, path: string): boolean => folder.files.some((file) => file.path === path);

function choose(folder: Folder): { role: Role; path: string }[] {
  const alone = (path: string) => [{ role: "model" as const, path }];
  const named = /\.onnx$/.test(folder.reference) ? folder.reference.split("/").at(-1) : undefined;
  if (named && has(folder, named)) return alone(named);
  const paths = folder.files.map((file) => file.path);
  const picked = pick(paths);
  if (picked.graphs.length > 0) return [...picked.graphs];
  const refused = new Set(picked.refused.map(({ path }) => path));
  const any = paths.filter((path) => path.endsWith(".onnx") && !refused.has(path));
  if (any.length === 1 && any[0] && !isUnmerged(paths)) return alone(any[0]);
  if (any.length === 0 && picked.safetensors) {
    throw new LabError("not-found", `${folder.reference} has safetensors but no ONNX graph to run them in. Take a repository that has onnx/model.onnx, or export one: optimum-cli export onnx.`, { details: { reference: folder.reference } });
  }
  if (any.length === 0 || isUnmerged(paths)) throw nothingToTake(folder.reference, picked, paths);
  const found = any.length ? ` It has ${any.slice(0, 4).join(", ")}: name one of them.` : "";
  throw new LabError("not-found", `${folder.reference} holds no model: onnx/model.onnx is not there.${found}`, { details: { reference: folder.reference, found: any } });
}
