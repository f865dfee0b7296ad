/** A folder with a model in it → everything the lab needs to know, with the weights still in their file. */
import { externalPaths, type OnnxFile, readOnnx } from "../checkpoint/onnx/read.ts";
import type { ModelFile } from "../checkpoint/types.ts";
import { LabError } from "../lib/error.ts";
import type { HubProgress, LoadedModel } from "../threads/hub.ts";
import { parseConfig, parseNames, parsePreprocessor } from "./config.ts";
import { beside } from "./paths.ts";
import { isUnmerged, nothingToTake, pick } from "./pick.ts";
import type { Folder, FolderFile } from "./sources/source.ts";

export interface OpenModel {
  readonly onnx: OnnxFile;
  readonly folder: Folder;
  readonly told: Omit<LoadedModel, "handle" | "warnings">;
}

const text = (file: FolderFile): string => new TextDecoder().decode(file.bytes);

export async function loadModel(folder: Folder, onProgress?: HubProgress): Promise<OpenModel> {
  const { reference } = folder;
  if (folder.adapter) throw new LabError("unknown-model", `${reference}: an adapter on a model with an ONNX graph alone cannot be read. Give the model's safetensors too.`);
  const path = choose(folder);
  const digests = new Map<string, string>();
  let downloadBytes = 0;
  const read = async (wanted: string) => note(wanted, await folder.read(wanted, onProgress));
  const note = (wanted: string, file: FolderFile): FolderFile => {
    digests.set(wanted, file.sha256);
    downloadBytes += file.downloaded;
    return file;
  };
  const optional = async (wanted: string) => (has(folder, wanted) ? text(await read(wanted)) : null);

  const model = await read(path);
  const name = `${reference}/${path}`;
  const external = new Map<string, Uint8Array>();
  for (const one of externalPaths(model.bytes, name)) {
    const file = beside(path, one);
    if (!has(folder, file)) throw new LabError("not-found", `${name} keeps its weights in ${one}, which is missing. Put both files into the same folder.`, { details: { path: file } });
    external.set(one, (await read(file)).bytes);
  }
  const onnx = readOnnx(model.bytes, {
    name,
    external: (one) => external.get(one) ?? new Uint8Array(),
  });

  const configText = await optional("config.json");
  const config = configText === null ? null : parseConfig(configText, `${reference}/config.json`);
  const preprocessorText = await optional("preprocessor_config.json");
  const preprocessor = preprocessorText === null ? null : parsePreprocessor(preprocessorText, `${reference}/preprocessor_config.json`, config);
  const namesText = folder.readNames ? text(note("names.json", await folder.readNames())) : await optional("names.json");
  const card = folder.family && [folder.family.base, ...folder.family.experts].find((one) => one.model === reference);
  return {
    onnx,
    folder,
    told: {
      ref: reference,
      skeleton: onnx.skeleton,
      config,
      preprocessor,
      names: namesText === null ? null : parseNames(namesText, `${reference}/names.json`),
      files: folder.files.map((file): ModelFile => {
        const sha256 = file.sha256 ?? digests.get(file.path);
        return { ...file, ...(sha256 === undefined ? {} : { sha256 }) };
      }),
      family: folder.family?.family ?? null,
      title: card?.title ?? reference.split("/").at(-1) ?? reference,
      summary: card?.summary ?? "",
      icon: card?.icon ?? "",
      batch: folder.family?.batch ?? null,
      ...(folder.revision === undefined ? {} : { revision: folder.revision }),
      downloadBytes,
    },
  };
}

const has = (folder: Folder, path: string): boolean => folder.files.some((file) => file.path === path);

function choose(folder: Folder): string {
  const named = /\.onnx$/.test(folder.reference) ? folder.reference.split("/").at(-1) : undefined;
  if (named && has(folder, named)) return named;
  const paths = folder.files.map((file) => file.path);
  const picked = pick(paths);
  const [graph, second] = picked.graphs;
  if (graph && !second) return graph.path;
  const refused = new Set(picked.refused.map(({ path }) => path));
  const any = paths.filter((path) => path.endsWith(".onnx") && !refused.has(path));
  if (any.length === 1 && any[0]) return any[0];
  if (any.length === 0 && picked.safetensors) {
    throw new LabError("not-found", `${folder.reference} has safetensors but no ONNX graph to run them in. Take a repository that has onnx/model.onnx, or export one: optimum-cli export onnx.`, { details: { reference: folder.reference } });
  }
  if (any.length === 0 || isUnmerged(paths)) throw nothingToTake(folder.reference, picked, paths);
  const found = any.length ? ` It has ${any.slice(0, 4).join(", ")}: name one of them.` : "";
  throw new LabError("not-found", `${folder.reference} holds no model: onnx/model.onnx is not there.${found}`, { details: { reference: folder.reference, found: any } });
}
