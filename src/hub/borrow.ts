/**
 * Models without a graph of their own: weights from safetensors, or an adapter laid onto some, put into the graph of a model that has one (the
 * base). Where each tensor belongs is found once a graph, by comparing it with its own repository's safetensors, or told by its names.json.
 */
import { type AdaptedCheckpoint, type CheckpointReader, withAdapter } from "../checkpoint/lora/adapted.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, openAdapter } from "../checkpoint/lora/adapter.ts";
import { addLowRank, type LowRank } from "../checkpoint/lora/factors.ts";
import { openSafetensors } from "../checkpoint/safetensors/open.ts";
import type { SourceFile } from "../checkpoint/safetensors/source.ts";
import type { OnnxWeight } from "../checkpoint/types.ts";
import { LabError } from "../lib/error.ts";
import { alignByValue } from "../space/align/byValue.ts";
import { type Adapted, carriedFactors, carryOver, type CarriedModel } from "../space/align/carry.ts";
import { mapOf, namesOf, type WeightMap } from "../space/align/weightMap.ts";
import { toCheckpoint } from "../space/transpose.ts";
import type { HubProgress } from "../threads/hub.ts";
import { describe, type OpenModel } from "./loadModel.ts";
import { pick } from "./pick.ts";
import type { Folder } from "./sources/source.ts";

/** The model a reference names before its "+adapter". */
export const withoutAdapter = ({ reference, adapter }: Folder): string => (adapter ? reference.slice(0, reference.lastIndexOf("+")) : reference);

/** True where a folder can only be read into another's graph. */
export function needsGraph(folder: Folder): boolean {
  if (folder.adapter) return true;
  const paths = folder.files.map(({ path }) => path);
  return pick(paths).safetensors !== null && !paths.some((path) => path.endsWith(".onnx"));
}

/** Of a model with a graph: where tensors belong in it. */
interface Lender {
  readonly map: WeightMap;
  /** Its own safetensors; null where it has none and names.json tells. */
  readonly checkpoint: CheckpointReader | null;
  readonly downloaded: number;
}

const lenders = new WeakMap<OpenModel, Promise<Lender>>();

function lenderOf(model: OpenModel, onProgress?: HubProgress): Promise<Lender> {
  let lender = lenders.get(model);
  if (!lender) {
    lenders.set(model, (lender = measured(model, onProgress)));
    lender.catch(() => lenders.delete(model));
  }
  return lender;
}

async function measured(model: OpenModel, onProgress?: HubProgress): Promise<Lender> {
  const { folder, onnx, told } = model;
  if (told.names) return { map: mapOf(told.names, onnx.skeleton.weights), checkpoint: null, downloaded: 0 };
  if (!pick(folder.files.map(({ path }) => path)).safetensors) {
    throw new LabError("not-found", `${told.ref} has an ONNX graph but no safetensors beside it, so nobody can tell which tensor of another model belongs where in it. Take a base that has both (onnx/model.onnx and model.safetensors).`, { details: { model: told.ref } });
  }
  const { checkpoint, downloaded } = await safetensorsOf(folder, onProgress);
  return { map: await alignByValue(graphOf(model), checkpoint), checkpoint, downloaded };
}

const graphOf = ({ onnx }: OpenModel) => ({ weights: onnx.skeleton.weights, skeleton: onnx.skeleton, read: async (weight: number) => onnx.tensor(weight) });

async function safetensorsOf(folder: Folder, onProgress?: HubProgress) {
  const picked = pick(folder.files.map(({ path }) => path)).safetensors;
  const paths = [...(picked?.files ?? []), ...(picked?.index ? [picked.index] : [])];
  const { files, downloaded } = await opened(folder, paths, onProgress);
  return { checkpoint: await openSafetensors(files, { model: folder.reference }), downloaded };
}

async function opened(folder: Folder, paths: readonly string[], onProgress?: HubProgress): Promise<{ files: SourceFile[]; downloaded: number }> {
  const there = folder.files.filter(({ path }) => paths.includes(path));
  const open = await Promise.all(there.map(async ({ path }) => ({ path, ...(await folder.open(path, onProgress)) })));
  return { files: open.map(({ path, source }) => ({ path, source })), downloaded: open.reduce((sum, one) => sum + one.downloaded, 0) };
}

/** What a model with a graph was exported from, and where each tensor stands in it. */
export async function checkpointBehind(model: OpenModel): Promise<{ map: WeightMap; checkpoint: CheckpointReader }> {
  const { map, checkpoint } = await lenderOf(model);
  return { map, checkpoint: checkpoint ?? graphAsCheckpoint(model, map) };
}

/** `base`: reference of the recipe's base; an adapter on that very model stays factors. */
export async function borrowModel(folder: Folder, graph: OpenModel, base: string, onProgress?: HubProgress): Promise<OpenModel> {
  const { map, checkpoint: own, downloaded: forMap } = await lenderOf(graph, onProgress);
  const reference = withoutAdapter(folder);
  const onGraph = reference === graph.told.ref;
  const plain = onGraph ? { checkpoint: own ?? graphAsCheckpoint(graph, map), downloaded: 0 } : await safetensorsOf(folder, onProgress);
  const added = folder.adapter ? await opened(folder.adapter, [ADAPTER_CONFIG, ADAPTER_WEIGHTS, "adapter_model.bin"], onProgress) : null;
  const adapted = added && folder.adapter ? withAdapter(plain.checkpoint, await openAdapter(added.files, { name: folder.adapter.reference }), { base: reference }) : null;
  const to = adapted ?? plain.checkpoint;
  const carried = await carryOver({ base: graph.told.ref, model: folder.reference, graph: graphOf(graph), map, from: own, to });
  const told = await describe(folder, carried.skeleton, onProgress);
  const low = adapted && onGraph && folder.adapter && base === reference ? await factorsOf(carried, adapted) : null;
  const adapterFiles = folder.adapter?.files.filter(({ path }) => path === ADAPTER_CONFIG || path === ADAPTER_WEIGHTS) ?? [];
  return {
    folder,
    onnx: {
      skeleton: carried.skeleton,
      // On the graph's own weights where that says all: they may be rounded otherwise than the safetensors are.
      async tensor(weight) {
        const factors = low && (await low.factors(weight));
        if (!factors) return carried.read(weight);
        const values = await graph.onnx.tensor(weight);
        if (factors.rank > 0) addLowRank(values, factors, 0);
        return values;
      },
    },
    ...(low ? { factors: low.factors } : {}),
    told: {
      ...told,
      names: told.names ?? graph.told.names ?? namesOf(map, graph.onnx.skeleton.weights, (name) => own?.get(name)?.shape),
      files: [...told.files, ...adapterFiles],
      downloadBytes: told.downloadBytes + forMap + plain.downloaded + (added?.downloaded ?? 0),
      notes: carried.notes,
      ...(low ? { ranks: low.ranks } : {}),
    },
  };
}

/** By weight id; −1 where a weight is changed otherwise than by factors. */
async function factorsOf(carried: CarriedModel, adapted: AdaptedCheckpoint): Promise<{ ranks: number[]; factors: (weight: number) => Promise<LowRank | null> }> {
  const reader: Adapted = {
    shape: (name) => adapted.get(name)?.shape ?? [],
    lowRank: async (name) => (adapted.change(name) === "none" ? "none" : adapted.lowRank(name)),
  };
  const factors = async (id: number) => carriedFactors(carried.skeleton.weights[id] as OnnxWeight, carried.map[id] ?? null, reader);
  const ranks: number[] = [];
  for (const { id } of carried.skeleton.weights) ranks.push((await factors(id))?.rank ?? -1);
  return { ranks, factors };
}

/** A graph whose names are told, read as the checkpoint it was exported from. */
function graphAsCheckpoint({ onnx, told }: OpenModel, map: WeightMap): CheckpointReader {
  const weights = new Map<string, { weight: OnnxWeight; transposed: boolean }>();
  for (const weight of onnx.skeleton.weights) {
    const part = map.weights[weight.id]?.parts[0];
    if (part && !weights.has(part.name)) weights.set(part.name, { weight, transposed: part.transposed });
  }
  const tensors = [...weights].map(([name, { weight, transposed }]) => {
    const shape = transposed ? [...weight.shape].reverse() : weight.shape;
    return { name, dtype: "F32" as const, shape, elements: weight.length, bytes: 4 * weight.length, file: told.ref, offset: 0 };
  });
  const read = async (name: string, from?: number, to?: number): Promise<Float32Array<ArrayBuffer>> => {
    const found = weights.get(name);
    if (!found) throw new LabError("internal", `${told.ref} has no tensor ${name}.`);
    const values = toCheckpoint({ shape: found.weight.shape, transposed: found.transposed }, await onnx.tensor(found.weight.id));
    return Float32Array.from(values.subarray(from ?? 0, to));
  };
  return {
    tensors,
    metadata: new Map(),
    unlisted: [],
    get: (name) => tensors.find((tensor) => tensor.name === name),
    async readF32(name, from, to, into) {
      const values = await read(name, from, to);
      if (!into) return values;
      into.set(values);
      return into.subarray(0, values.length);
    },
    readRaw: async (name, from, to) => new Uint8Array((await read(name, from, to)).buffer),
  };
}
