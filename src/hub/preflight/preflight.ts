/** The look before a merge: do these models fit, what will they cost, what licence do they carry? Headers only. */
import type { Preflight, PreflightModel, PreflightOrder, PreflightProblem } from "../../threads/hub.ts";
import { isLabError } from "../../lib/error.ts";
import { parseReference, referenceProblem } from "../../lib/reference.ts";
import type { RepositoryFacts } from "../remote/repository.ts";
import { openFolder, type Folder, type Place } from "../sources/source.ts";
import { compareAdapter, compareByName, compareByShape, compareConfigs, type Compared } from "./compare.ts";
import { look, type Look, type Seen, type Tensor } from "./look.ts";

interface Found {
  readonly ref: string;
  readonly seen: Seen;
  readonly look: Look;
  readonly facts: RepositoryFacts | null;
}

/** What else of a folder a run uses: processors, tokenizers, generation settings. */
const companion = /^((generation_|preprocessor_|processor_|tokenizer_|special_tokens_|adapter_)?config|tokenizer|vocab|merges|special_tokens_map|added_tokens|names)\.(json|txt)$/;
const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const parametersOf = (tensors: readonly Tensor[]): number => tensors.reduce((sum, { shape }) => sum + product(shape), 0);

export async function preflight({ base, experts, graph }: PreflightOrder, place: Place): Promise<Preflight> {
  const counted = { bytes: 0 };
  const problems: PreflightProblem[] = [];
  const find = async (ref: string): Promise<Found | PreflightModel> => {
    try {
      return await findOne(ref, place, counted);
    } catch (error) {
      if (!isLabError(error)) throw error;
      problems.push({ model: ref, kind: error.code === "not-found" && /holds no model/.test(error.message) ? "no-weights" : "unreadable", message: error.message });
      return unknown(ref, { code: error.code, message: error.message });
    }
  };
  const all = await Promise.all([base, ...experts, ...(graph === undefined ? [] : [graph])].map(find));
  const found = all.filter((one): one is Found => "look" in one);
  const models = all.slice(0, 1 + experts.length);
  const [first, ...rest] = models;
  const provider = found.find(({ ref, look: { picked } }) => (graph === undefined || ref === graph) && picked.graphs.length > 0);
  if (!provider && found.length > 0) problems.push(noGraph(found));
  const notes = [...new Set(found.flatMap((one) => notesOf(one, base)))];
  const outcome = first && "look" in first ? compareAll(first, rest, problems, notes) : { fits: false, shared: null };
  const used = await Promise.all(all.map((one) => ("look" in one ? modelOf(one, one === provider, found, place) : one)));
  const told = used.slice(0, models.length);
  const files = used.flatMap(({ files: list }) => list);
  const { shared } = outcome;
  return {
    fits: problems.length > 0 ? false : outcome.fits,
    models: told,
    problems,
    notes,
    shared,
    downloadBytes: files.reduce((sum, file) => sum + (file.cached ? 0 : file.bytes), 0),
    cachedBytes: files.reduce((sum, file) => sum + (file.cached ? file.bytes : 0), 0),
    memoryBytes: shared && memoryOf(shared.parameters, experts.length),
    readBytes: counted.bytes,
  };
}

/** Base and one direction an expert, and a slot that is always f32 (docs/architecture.md: basis and slot). */
function memoryOf(parameters: number, experts: number): { f32: number; f16: number } {
  return { f32: 4 * parameters * (experts + 2), f16: 2 * parameters * (experts + 1) + 4 * parameters };
}

async function findOne(ref: string, place: Place, counted: { bytes: number }): Promise<Found> {
  const parsed = referenceProblem(ref) === null && !Object.hasOwn(place.options.mounts, ref) ? parseReference(ref) : null;
  if (parsed?.kind === "hub" && parsed.adapter === null) {
    const { remote } = place;
    const facts = await remote.facts(`${parsed.owner}/${parsed.name}`, parsed.revision ?? "main", { fresh: true });
    counted.bytes += JSON.stringify(facts).length;
    const seen: Seen = {
      reference: ref,
      files: facts.files,
      async read(path) {
        const file = await remote.read(facts, path);
        counted.bytes += file.downloaded;
        return file.bytes;
      },
      bytes: async (path) => {
        const source = remote.bytes(facts, path);
        return {
          size: source.size,
          read: async (begin, end) => {
            const bytes = await source.read(begin, end);
            counted.bytes += bytes.length;
            return bytes;
          },
        };
      },
    };
    return { ref, seen, look: await look(seen), facts };
  }
  const folder = await openFolder(ref, place);
  const seen = seenIn(folder);
  return { ref, seen, look: await look(seen), facts: null };
}

/** A folder at hand. A bundled family's files come whole, so their weights are not looked into. */
function seenIn(folder: Folder): Seen {
  return {
    reference: folder.reference,
    files: folder.files.map(({ path, bytes = 0 }) => ({ path, bytes })),
    read: async (path) => (await folder.read(path)).bytes,
    bytes: async (path) => (folder.family ? null : (await folder.open(path)).source),
  };
}

function compareAll(base: Found, experts: readonly (Found | PreflightModel)[], problems: PreflightProblem[], notes: string[]): { fits: boolean | null; shared: Preflight["shared"] } {
  const graph = inGraphs(base);
  let fits: boolean | null = true;
  let names: Set<string> | null = null;
  const own = base.look.named ?? graph;
  for (const expert of experts) {
    if (!("look" in expert)) continue;
    const different = compareConfigs({ ref: base.ref, config: base.look.config }, { ref: expert.ref, config: expert.look.config });
    problems.push(...different);
    if (different.length > 0) continue;
    const compared = compareOne(base, expert, graph);
    if (!compared) {
      fits = null;
      notes.push(`Whether the tensors of ${expert.ref} fit those of ${base.ref} shows when they are downloaded: the headers of their files do not tell.`);
      continue;
    }
    problems.push(...compared.problems);
    notes.push(...compared.notes);
    if (!expert.look.adapter) {
      const shared: ReadonlySet<string> = new Set(compared.shared);
      names = new Set([...(names ?? shared)].filter((name) => shared.has(name)));
    }
  }
  if (!own || fits === null) return { fits, shared: null };
  const shared = names === null ? own : own.filter(({ name }) => names.has(name));
  return { fits, shared: { tensors: shared.length, parameters: parametersOf(shared) } };
}

/** null: headers do not tell. */
function compareOne(base: Found, expert: Found, graph: readonly Tensor[] | null): Compared | null {
  const side = ({ ref, look: { config } }: Found, tensors: readonly Tensor[]) => ({ ref, config, tensors });
  const { named, adapter } = expert.look;
  if (adapter && named) return base.look.named ? compareAdapter(side(base, base.look.named), side(expert, named), adapter) : null;
  if (named && base.look.named) return compareByName(side(base, base.look.named), side(expert, named));
  const theirs = inGraphs(expert);
  return graph && theirs ? compareByShape(side(base, graph), side(expert, theirs)) : null;
}

/** Weights of all graphs of a model; null where one does not tell. */
function inGraphs({ look: { graphs } }: Found): Tensor[] | null {
  const known = graphs.flatMap(({ tensors }) => (tensors ? [tensors] : []));
  return graphs.length > 0 && known.length === graphs.length ? known.flat() : null;
}

function noGraph(found: readonly Found[]): PreflightProblem {
  const [{ ref }] = found as [Found, ...Found[]];
  return { model: ref, kind: "no-graph", message: `None of these has an ONNX graph to run (onnx/model.onnx). Add a repository that has one for the same architecture as the graph (on the Hub, onnx-community and Xenova keep many), or export one: optimum-cli export onnx --model ${ref} out.` };
}

function notesOf({ ref, facts, look: { adapter } }: Found, base: string): string[] {
  if (!facts) return [];
  const notes: string[] = [];
  const baseId = base.split(/[@+]/)[0];
  const from = typeof adapter?.["base_model_name_or_path"] === "string" ? [adapter["base_model_name_or_path"]] : facts.baseModels;
  if (ref !== base && from.length > 0 && !from.includes(baseId ?? "")) notes.push(`${ref} says it was tuned from ${from.slice(0, 3).join(", ")}, not from ${baseId}.`);
  if (facts.licence === null) notes.push(`${ref} names no licence: ask its owner before you share a merge of it.`);
  return notes;
}

async function modelOf(one: Found, isProvider: boolean, found: readonly Found[], { remote }: Place): Promise<PreflightModel> {
  const { ref, facts, seen, look: { picked, config, named, graphs, adapter } } = one;
  const everyGraph = found.every(({ look: { picked: theirs } }) => theirs.graphs.length > 0);
  // With a graph of each the safetensors are not needed; else only the graph's own repository gives both.
  const graphFiles = everyGraph || isProvider ? graphs.flatMap(({ path, external }) => [path, ...external]) : [];
  const weightFiles = everyGraph ? [] : picked.adapter ? [picked.adapter.weights] : [...(picked.safetensors?.files ?? []), ...(picked.safetensors?.index ? [picked.safetensors.index] : [])];
  const used = new Set([...graphFiles, ...weightFiles, ...seen.files.map(({ path }) => path).filter((path) => companion.test(path))]);
  const listed = seen.files.filter(({ path }) => used.has(path));
  const cached = facts ? new Set([...(await remote.cached(facts.files.filter(({ path }) => used.has(path))))].map(({ path }) => path)) : new Set(used);
  const tensors = named ?? inGraphs(one);
  return {
    ref,
    error: null,
    commit: facts?.commit ?? null,
    format: adapter ? "lora" : graphFiles.length > 0 ? "onnx" : "safetensors",
    modelType: config?.modelType ?? null,
    licence: facts?.licence ?? null,
    baseModels: [...(facts?.baseModels ?? [])],
    gated: facts?.gated ?? false,
    private: facts?.private ?? false,
    tensors: tensors?.length ?? null,
    parameters: tensors && parametersOf(tensors),
    dtypes: [...new Set((tensors ?? []).map(({ dtype }) => dtype))].sort(),
    files: listed.map(({ path, bytes }) => ({ path, bytes, cached: cached.has(path) })),
    bytes: listed.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function unknown(ref: string, error: { code: string; message: string }): PreflightModel {
  return { ref, error, commit: null, format: null, modelType: null, licence: null, baseModels: [], gated: false, private: false, tensors: null, parameters: null, dtypes: [], files: [], bytes: 0 };
}
