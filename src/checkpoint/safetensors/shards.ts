/** `model.safetensors.index.json`: which shard each tensor lies in. */
import { LabError } from "../../lib/error.ts";
import { damaged, HEADER_BYTES_MAX, quoted, readHeader, type StoredTensor } from "./header.ts";
import { JsonWalk } from "./json.ts";
import type { SourceFile } from "./source.ts";

export const INDEX = "model.safetensors.index.json";
export const SINGLE = "model.safetensors";

/** Tensor → path of its shard, in the folder of the index. */
export async function readIndex({ path, source }: SourceFile, signal?: AbortSignal): Promise<Map<string, string>> {
  if (source.size > HEADER_BYTES_MAX) throw damaged(path, `has ${source.size} bytes, more than the ${HEADER_BYTES_MAX / 1e6} MB that are read`);
  const bytes = await source.read(0, source.size, signal);
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  const weightMap = parseIndex(new TextDecoder().decode(bytes), path);
  return new Map(Array.from(weightMap, ([name, file]) => [name, folder + file]));
}

function parseIndex(text: string, path: string): Map<string, string> {
  if (/^\s*</.test(text)) throw new LabError("bad-safetensors", `${path} is a web page, not an index: the address may be wrong or need a login.`, { details: { file: path } });
  if (/^version https:\/\/git-lfs/.test(text)) throw new LabError("bad-safetensors", `${path} is a Git LFS pointer, not the index itself: run \`git lfs pull\`, or download the file from the web site.`, { details: { file: path } });
  const json = new JsonWalk(text, (what) => damaged(path, `cannot be read: ${what}`));
  let weightMap: Map<string, string> | null = null;
  json.object((key) => {
    if (key !== "weight_map") return json.skip();
    const map = new Map<string, string>();
    json.object((name) => void map.set(name, json.string()));
    weightMap = map;
  });
  json.end();
  if (weightMap === null) throw damaged(path, "has no weight_map, which says where each tensor lies");
  return weightMap;
}

export interface Shards {
  /** By file, then as they lie in it. */
  readonly tensors: readonly StoredTensor[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly files: readonly SourceFile[];
  /** Tensors of the shards that the index does not name; they are no part of the model. */
  readonly unlisted: readonly string[];
}

export async function readShards(index: SourceFile, files: readonly SourceFile[], signal?: AbortSignal): Promise<Shards> {
  const shardOf = await readIndex(index, signal);
  const paths = [...new Set(shardOf.values())].sort();
  const shards = paths.map((path) => files.find((file) => file.path === path) ?? path);
  const missing = shards.filter((shard) => typeof shard === "string");
  if (missing.length) {
    const shown = missing.slice(0, 3).map((path) => path.slice(0, 120)).join(", ");
    const more = missing.length > 3 ? ` and ${missing.length - 3} more` : "";
    throw new LabError("not-found", `${index.path} names ${shown}${more}, which ${missing.length > 1 ? "are" : "is"} missing. Put all shards into the folder of the index.`, { details: { file: index.path, missing: missing.slice(0, 100) } });
  }
  const there = shards.filter((shard) => typeof shard !== "string");
  const headers = await Promise.all(there.map((shard) => readHeader(shard, signal)));
  const tensors: StoredTensor[] = [];
  const unlisted: string[] = [];
  const found = new Map<string, string>();
  for (const tensor of headers.flatMap((header) => header.tensors)) {
    const { name, file } = tensor;
    const earlier = found.get(name);
    if (earlier !== undefined) {
      throw new LabError("bad-safetensors", `${quoted(name)} lies in two shards, ${earlier} and ${file}. One of them is of another model; download both again.`, { details: { tensor: name, files: [earlier, file] } });
    }
    found.set(name, file);
    if (shardOf.has(name)) tensors.push(tensor);
    else unlisted.push(name);
  }
  for (const [name, file] of shardOf) {
    const at = found.get(name);
    if (at === file) continue;
    throw new LabError("bad-safetensors", `${index.path} says that ${quoted(name)} lies in ${file}, but ${at ? `it lies in ${at}` : "that file has no such tensor"}. Index and shards are of different models; download them again.`, { details: { file: index.path, tensor: name, shard: file } });
  }
  return { tensors, metadata: headers[0]?.metadata ?? new Map(), files: there, unlisted };
}
