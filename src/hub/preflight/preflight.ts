/** The look before a merge: do these models fit, what will they cost, what licence do they carry? Headers only. */
import type { Preflight, PreflightModel, PreflightOrder, PreflightProblem } from "../../threads/hub.ts";
import { isLabError } from "../../lib/error.ts";
import type { Place } from "../sources/source.ts";
import { compareAdapter, compareByName, compareByShape, compareConfigs, type Compared } from "./compare.ts";
import { factorsOf, findOne, type Found, inGraphs, modelOfReference, parametersOf } from "./found.ts";
import type { Tensor } from "./look.ts";
import { modelOf, notesOf, unknown } from "./told.ts";

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
  const provider = found.find(({ ref, look: { picked } }) => ref === (graph ?? base) && picked.graphs.length > 0);
  if (!provider && first && "look" in first) problems.push(noGraph(first, found));
  const notes = [...new Set(found.flatMap((one) => notesOf(one, base)))];
  const outcome = first && "look" in first ? compareAll(first, rest, problems, notes) : { fits: false, shared: null };
  const borrowed = found.some(({ look: { picked }, added }) => picked.graphs.length === 0 || added !== null);
  const used = await Promise.all(all.map((one) => ("look" in one ? modelOf(one, { base, provider, borrowed }, place) : one)));
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
    memoryBytes: shared && memoryOf(shared.parameters, rest, base),
    readBytes: counted.bytes,
  };
}

/**
 * What a run holds (docs/architecture.md: basis and slot): the base and a direction for each expert, packed or not, factors of adapters on the
 * base, and a slot that is always f32.
 */
function memoryOf(parameters: number, experts: readonly (Found | PreflightModel)[], base: string): { f32: number; f16: number } {
  const factors = experts.flatMap((expert) => ("look" in expert ? factorsOf(expert, base) : null) ?? []);
  const dense = experts.length - factors.length;
  const low = 4 * factors.reduce((sum, count) => sum + count, 0);
  return { f32: 4 * parameters * (dense + 2) + low, f16: 2 * parameters * (dense + 1) + 4 * parameters + low };
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
    if (expert.added) problems.push(...adapterOn(expert, expert.added, notes));
    if (factorsOf(expert, base.ref) === null) {
      const shared: ReadonlySet<string> = new Set(compared.shared);
      names = new Set([...(names ?? shared)].filter((name) => shared.has(name)));
    }
  }
  if (!own || fits === null) return { fits, shared: null };
  const shared = names === null ? own : own.filter(({ name }) => names.has(name));
  return { fits, shared: { tensors: shared.length, parameters: parametersOf(shared) } };
}

/** An adapter on the model it is named behind. */
function adapterOn(model: Found, { ref, look: { named, adapter, config } }: Found, notes: string[]): readonly PreflightProblem[] {
  const told = modelOfReference(model.ref);
  if (!adapter || !named) return [{ model: model.ref, kind: "adapter", message: `${ref} is no adapter: there is no adapter_config.json with adapter_model.safetensors. Write the adapter behind the +.` }];
  if (!model.look.named) {
    notes.push(`Whether ${ref} fits ${told} shows when they are downloaded: ${told} has no safetensors that name its tensors.`);
    return [];
  }
  return compareAdapter({ ref: told, config: model.look.config, tensors: model.look.named }, { ref, config, tensors: named }, adapter).problems;
}

/** null: headers do not tell. */
function compareOne(base: Found, expert: Found, graph: readonly Tensor[] | null): Compared | null {
  const side = ({ ref, look: { config } }: Found, tensors: readonly Tensor[]) => ({ ref, config, tensors });
  const { named, adapter } = expert.look;
  // The base itself, under an adapter.
  if (expert.added && modelOfReference(expert.ref) === base.ref) return { shared: (base.look.named ?? graph ?? []).map(({ name }) => name), problems: [], notes: [] };
  if (adapter && named) return base.look.named ? compareAdapter(side(base, base.look.named), side(expert, named), adapter) : null;
  if (named && base.look.named) return compareByName(side(base, base.look.named), side(expert, named));
  const theirs = inGraphs(expert);
  return graph && theirs ? compareByShape(side(base, graph), side(expert, theirs)) : null;
}

function noGraph({ ref }: Found, found: readonly Found[]): PreflightProblem {
  const other = found.find(({ look: { picked } }) => picked.graphs.length > 0);
  const message = other
    ? `${ref} has no ONNX graph (onnx/model.onnx), and the base's is the one that is run. ${other.ref} has one: take a repository of the base that has one too, or export it: optimum-cli export onnx --model ${ref} out.`
    : `None of these has an ONNX graph to run (onnx/model.onnx). Take a repository of the base that has one (on the Hub, onnx-community and Xenova keep many), or export one: optimum-cli export onnx --model ${ref} out.`;
  return { model: ref, kind: "no-graph", message };
}
