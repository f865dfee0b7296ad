/** An expert's tensors beside the base's: what is shared, what is a head of its own, what does not fit, in sentences. */
import type { ModelConfig } from "../../checkpoint/types.ts";
import type { PreflightProblem } from "../../threads/hub.ts";
import type { Tensor } from "./look.ts";

export interface Compared {
  /** Names (of the base) that both have in the same shape. */
  readonly shared: readonly string[];
  readonly problems: readonly PreflightProblem[];
  readonly notes: readonly string[];
}

interface Side {
  readonly ref: string;
  readonly tensors: readonly Tensor[];
  readonly config: ModelConfig | null;
}

/** As transformers calls what sits on a body. Such tensors stay each model's own. */
const headName = /(^|\.)(classifier|score|lm_head|qa_outputs|pre_classifier|classification_head|cls|head|pooler|vocab_\w+|dense_act)(\.|$)/;
const vocabularyName = /(^|\.)(shared|wte|embed_tokens|word_embeddings|lm_head|embed_in|embed_out|decoder)(\.|$)/;
const shown = 5;
const shapeText = (shape: readonly number[]): string => shape.join("×") || "a single number";
const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? "" : "s"}`;

/** Different kinds of model, or depths, are said as such: a list of tensors would bury it. */
export function compareConfigs(base: Omit<Side, "tensors">, expert: Omit<Side, "tensors">): PreflightProblem[] {
  const [a, b] = [base.config, expert.config];
  if (!a || !b) return [];
  if (a.modelType !== null && b.modelType !== null && a.modelType !== b.modelType) {
    return [{ model: expert.ref, kind: "architecture", message: `${expert.ref} is a ${b.modelType}, but ${base.ref} is a ${a.modelType}. Only models of one architecture can be merged: take an expert tuned from ${base.ref}.` }];
  }
  for (const field of ["num_hidden_layers", "n_layer", "num_layers", "n_layers", "num_decoder_layers"]) {
    const [here, there] = [a.raw[field], b.raw[field]];
    if (typeof here === "number" && typeof there === "number" && here !== there) {
      return [{ model: expert.ref, kind: "layers", message: `${expert.ref} has ${there} layers, but ${base.ref} has ${here}. Models of different depth cannot be merged: take an expert tuned from ${base.ref}.` }];
    }
  }
  return [];
}

/** Without names that only stand for another's tensor: T5's embeddings lie in some files once, in others again for encoder and decoder. */
function distinct(tensors: readonly Tensor[]): Tensor[] {
  const shared = tensors.find(({ name }) => /(^|\.)shared\.weight$/.test(name));
  return tensors.filter(({ name, shape }) => !(shared && /(^|\.)(encoder|decoder)\.embed_tokens\.weight$/.test(name) && same(shape, shared.shape)));
}

export function compareByName(first: Side, second: Side): Compared {
  const [base, expert] = [{ ...first, tensors: distinct(first.tensors) }, { ...second, tensors: distinct(second.tensors) }];
  const theirs = new Map(expert.tensors.map((tensor) => [tensor.name, tensor]));
  const prefix = prefixBetween(base.tensors, theirs);
  const [shared, own, vocabularies]: [string[], string[], Tensor[]] = [[], [], []];
  const problems: PreflightProblem[] = [];
  const met = new Set<string>();
  const missing: Tensor[] = [];
  for (const tensor of base.tensors) {
    const name = prefix(tensor.name);
    const other = theirs.get(name);
    if (other) met.add(name);
    if (!other && headName.test(tensor.name)) own.push(tensor.name);
    else if (!other) missing.push(tensor);
    else if (same(tensor.shape, other.shape)) shared.push(tensor.name);
    else if (isVocabulary(tensor, other)) vocabularies.push(other);
    else if (isHead(tensor, other, base, expert)) own.push(tensor.name);
    else problems.push(wrongShape(base.ref, expert.ref, tensor, other));
  }
  const extra = expert.tensors.filter(({ name }) => !met.has(name));
  own.push(...extra.filter(({ name }) => headName.test(name)).map(({ name }) => name));
  const more = extra.filter(({ name }) => !headName.test(name));
  for (const tensor of missing) problems.push({ model: expert.ref, kind: "missing", tensor: tensor.name, baseShape: [...tensor.shape], message: `${expert.ref} has no ${tensor.name}, which ${base.ref} has (${shapeText(tensor.shape)}).` });
  for (const tensor of more) problems.push({ model: expert.ref, kind: "extra", tensor: tensor.name, shape: [...tensor.shape], message: `${expert.ref} has ${tensor.name} (${shapeText(tensor.shape)}), which ${base.ref} has not.` });
  const notes = [];
  if (own.length > 0) notes.push(`${expert.ref} keeps ${plural(own.length, "tensor")} of its own as its head: ${list(own)}. Heads are used for its task and never merged.`);
  const [vocabulary] = vocabularies;
  if (vocabulary) notes.push(`${expert.ref} has another vocabulary (${vocabulary.name} is ${shapeText(vocabulary.shape)}): its embeddings stay its own and its tokenizer must be used with it.`);
  return { shared, problems: cut(expert.ref, problems, shared.length), notes };
}

/**
 * Graphs by the shapes of their weights: names and order are each exporter's own, and the place in the graph is told by aligning alone. So equal
 * shapes fit, and what is left over on both sides does not. null: one has weights left over, as where an exporter merged equal ones.
 */
export function compareByShape(base: Side, expert: Side): Compared | null {
  const left = new Map<string, Tensor[]>();
  for (const tensor of expert.tensors) left.set(shapeText(tensor.shape), [...(left.get(shapeText(tensor.shape)) ?? []), tensor]);
  const shared: string[] = [];
  const alone: Tensor[] = [];
  for (const tensor of base.tensors) {
    if (left.get(shapeText(tensor.shape))?.shift()) shared.push(tensor.name);
    else alone.push(tensor);
  }
  const theirs = expert.tensors.filter((tensor) => left.get(shapeText(tensor.shape))?.includes(tensor));
  if (alone.length !== theirs.length && shared.length >= base.tensors.length / 2) return null;
  if (alone.length !== theirs.length) {
    const message = `The graph of ${expert.ref} has ${plural(expert.tensors.length, "weight")}, that of ${base.ref} has ${base.tensors.length}, and only ${shared.length} are of one shape: they are not the same network.`;
    return { shared, problems: [{ model: expert.ref, kind: "architecture", message }], notes: [] };
  }
  const problems: PreflightProblem[] = [];
  const own: string[] = [];
  alone.forEach((tensor, i) => {
    const other = theirs[i] as Tensor; // as many as `alone`
    if (isHead(tensor, other, base, expert)) own.push(other.name);
    else problems.push(wrongShape(base.ref, expert.ref, tensor, other));
  });
  const notes = own.length > 0 ? [`${expert.ref} keeps ${plural(own.length, "tensor")} of its own as its head: ${list(own)}.`] : [];
  return { shared, problems: cut(expert.ref, problems, shared.length), notes };
}

/** A LoRA adapter: each pair A [r, in], B [out, r] must sit on a weight [out, in] of the base. */
export function compareAdapter(base: Side, expert: Side, adapter: Record<string, unknown>): Compared {
  const weights = new Map(base.tensors.map(({ name, shape }) => [name.replace(/\.weight$/, ""), shape]));
  const pairs = new Map<string, { a?: readonly number[]; b?: readonly number[] }>();
  const problems: PreflightProblem[] = [];
  for (const { name, shape } of expert.tensors) {
    const match = /^(?:base_model\.model\.)?(.+)\.lora_(?:embedding_)?([AB])(?:\.\w+)?(?:\.weight)?$/.exec(name);
    if (!match?.[1]) continue;
    const pair = pairs.get(match[1]) ?? {};
    pairs.set(match[1], { ...pair, [match[2] === "A" ? "a" : "b"]: shape });
  }
  const shared: string[] = [];
  for (const [module, { a, b }] of pairs) {
    const shape = weights.get(module);
    const fits = (out: number | undefined, into: number | undefined) => !a || !b || ((b[0] === out && a[1] === into) || (b[0] === into && a[1] === out));
    if (!shape) problems.push({ model: expert.ref, kind: "adapter", tensor: module, message: `${expert.ref} adapts ${module}, which ${base.ref} does not have: it is an adapter for another base${named(adapter)}.` });
    else if (!fits(shape[0], shape[1])) {
      problems.push({ model: expert.ref, kind: "adapter", tensor: module, baseShape: [...shape], shape: [b?.[0] ?? 0, a?.[1] ?? 0], message: `${expert.ref} adapts ${module} as ${b?.[0]}×${a?.[1]}, but in ${base.ref} it is ${shapeText(shape)}: it is an adapter for another base${named(adapter)}.` });
    } else shared.push(`${module}.weight`);
  }
  if (pairs.size === 0) problems.push({ model: expert.ref, kind: "adapter", message: `${expert.ref} holds no LoRA factors (lora_A, lora_B). Other kinds of adapters are not read.` });
  return { shared, problems: cut(expert.ref, problems, shared.length), notes: [] };
}

const named = ({ base_model_name_or_path: base }: Record<string, unknown>): string => (typeof base === "string" && base !== "" ? ` (its own words: ${base.slice(0, 120)})` : "");
const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

function isVocabulary(a: Tensor, b: Tensor): boolean {
  return vocabularyName.test(a.name) && a.shape.length === 2 && b.shape.length === 2 && a.shape[1] === b.shape[1];
}

/** By name, or because it differs only where each has its own number of labels. */
function isHead(a: Tensor, b: Tensor, base: Side, expert: Side): boolean {
  if (headName.test(a.name)) return true;
  const [labels, others] = [base.config?.labels?.length ?? 2, expert.config?.labels?.length ?? 2];
  return a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i] || (dim === labels && b.shape[i] === others));
}

function wrongShape(baseRef: string, ref: string, a: Tensor, b: Tensor): PreflightProblem {
  return { model: ref, kind: "shape", tensor: a.name, shape: [...b.shape], baseShape: [...a.shape], message: `${a.name} is ${shapeText(b.shape)} in ${ref} but ${shapeText(a.shape)} in ${baseRef}.` };
}

/** A body alone and the same body under a head have names that differ by one word in front ("bert."). */
function prefixBetween(base: readonly Tensor[], theirs: ReadonlyMap<string, Tensor>): (name: string) => string {
  const met = (map: (name: string) => string) => base.reduce((sum, { name }) => sum + Number(theirs.has(map(name))), 0);
  const plain = (name: string) => name;
  const fronts = new Set([...[...theirs.keys()], ...base.map(({ name }) => name)].map((name) => name.split(".")[0] ?? ""));
  let [best, most] = [plain, met(plain)];
  if (most > base.length / 2) return best;
  for (const front of fronts) {
    for (const map of [(name: string) => `${front}.${name}`, (name: string) => (name.startsWith(`${front}.`) ? name.slice(front.length + 1) : name)]) {
      const count = met(map);
      if (count > most) [best, most] = [map, count];
    }
  }
  return best;
}

/** The first few, and how many there are. */
function cut(ref: string, problems: PreflightProblem[], shared: number): PreflightProblem[] {
  if (problems.length <= shown) return problems;
  const [kind, rest] = [problems[shown]?.kind ?? "shape", problems.length - shown];
  return [...problems.slice(0, shown), { model: ref, kind, message: `${rest} more tensors of ${ref} do not fit; ${plural(shared, "tensor")} would.` }];
}

const list = (names: readonly string[]): string => names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
