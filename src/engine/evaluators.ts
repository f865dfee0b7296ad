/**
 * What scores a recipe's tasks, chosen once by what they are about: pictures and texts through a graph with a head, one run a batch; or models
 * that write, whose answers come token by token.
 */
import { Evaluator, type Port } from "../fitness/evaluator.ts";
import type { Feeds } from "../fitness/runtime.ts";
import { TextClassifier } from "../fitness/texts/classifier.ts";
import { Speaker } from "../fitness/texts/language.ts";
import { library } from "../fitness/texts/library.ts";
import { type Needs, scoreSpoken } from "../fitness/texts/scores.ts";
import { type TextFiles, Tokens } from "../fitness/texts/tokens.ts";
import type { SampleScores, SampleSet, TextSet, TextTask } from "../fitness/types.ts";
import { LabError } from "../lib/error.ts";
import type { Equipment } from "./equipment.ts";
import type { Heads } from "./heads.ts";
import type { Hub, Loaded, LoadedTask } from "./loading.ts";
import { Sounding, type SlotWeights } from "./voices.ts";

export interface Job {
  readonly task: LoadedTask;
  readonly set: SampleSet;
  readonly needs: Needs;
}

/** One input from outside, for "try it". */
export type Question = { readonly pixels: Float32Array } | { readonly prompt: string; readonly pair?: string };

/** Logits of a head, or a text. */
export type Said = { readonly logits: Float32Array } | { readonly text: string };

export interface Evaluators {
  /** Samples put through a model so far, padding left out. */
  readonly inferences: number;
  /** One entry a job; null: the candidate diverged before that job's turn. `between` is awaited after every batch. */
  score(weights: SlotWeights, jobs: readonly Job[], between: () => Promise<void>): Promise<(SampleScores | null)[]>;
  /** One entry a task. */
  answer(weights: SlotWeights, tasks: readonly LoadedTask[], question: Question): Promise<Said[]>;
}

/** Text files of models by id; read once a workbench, whatever happens to its device. */
export type Readers = ReadonlyMap<string, TextFiles>;

export async function openEvaluators(loaded: Loaded, heads: Heads, readers: Readers, { runtime, gpu }: Equipment): Promise<Evaluators> {
  const kinds = new Set(loaded.tasks.map(kindOf));
  if (kinds.size > 1) throw new LabError("bad-samples", `Some tasks are about ${[...kinds].join(", others about ")}, which one model cannot be asked. Give tasks of one sort.`);
  const [kind = "pictures"] = kinds;
  if (kind === "writing") {
    const { alignment } = loaded;
    expectWriter(loaded);
    const halves = runtime.provider === "webgpu" && (gpu?.device.features.has("shader-f16") ?? false);
    return new WritingEvaluators(loaded, heads, new Sounding(alignment, runtime, halves), await speakers(readers));
  }
  const session = await runtime.session(heads.graph, "the base");
  if (kind === "pictures") return new PictureEvaluators(heads, new Evaluator({ session, batch: loaded.batch, ...inputOf(loaded) }));
  const loadedLibrary = await library();
  const tokens = new Map([...readers].map(([id, files]) => [id, new Tokens(loadedLibrary, files, id)]));
  return new ClassifyingEvaluators(heads, new TextClassifier(session, loaded.batch), tokens);
}

type Kind = "pictures" | "classes of texts" | "writing";

function kindOf({ texts }: LoadedTask): Kind {
  if (texts === null) return "pictures";
  return texts.kind === "classification" || texts.kind === "regression" ? "classes of texts" : "writing";
}

export const writes = (tasks: readonly LoadedTask[]): boolean => tasks.some((task) => kindOf(task) === "writing");
export const reads = (tasks: readonly LoadedTask[]): boolean => tasks.some(({ texts }) => texts !== null);

function expectWriter({ alignment, models, tasks }: Loaded): void {
  const decoder = alignment.graphs.find(({ role }) => role === "decoder") ?? alignment.graphs[0];
  const [task] = tasks;
  const names = decoder?.inputs.map(({ name }) => name) ?? [];
  if (!names.includes("input_ids") || !decoder?.outputs.some(({ name }) => name === "logits")) {
    throw new LabError("bad-samples", `Task ${task?.id ?? ""} wants texts written or weighed (${task?.texts?.kind ?? ""}), but ${models[0]?.model.ref ?? "the base"} has no graph that takes input_ids and gives logits.`);
  }
  if (!names.some((name) => name.startsWith("past_key_values"))) {
    throw new LabError("unsupported-onnx", `The graph of ${models[0]?.model.ref ?? "the base"} has no cache (past_key_values), so it cannot write token by token. Export it with its past: optimum-cli export onnx --task text-generation-with-past, or text2text-generation-with-past.`);
  }
}

async function speakers(readers: Readers): Promise<Map<string, Speaker>> {
  const loaded = await library();
  return new Map([...readers].map(([id, files]) => [id, new Speaker(loaded, files, id)]));
}

function portOf(heads: Heads, task: LoadedTask): Port {
  const port = heads.ports.get(task.id);
  if (!port) throw new LabError("internal", `The head of task ${task.id} was never loaded.`);
  return port;
}

function inputOf({ alignment, models, tasks }: Loaded) {
  const [input] = alignment.inputs;
  const head = models.find(({ id }) => id === tasks[0]?.head)?.model ?? models[0]?.model;
  const { channels, height, width } = head?.preprocessor ?? { channels: 0, height: 0, width: 0 };
  return { input: input?.name ?? "", sampleShape: [channels, height, width] };
}

class PictureEvaluators implements Evaluators {
  constructor(private readonly heads: Heads, private readonly evaluator: Evaluator) {}

  get inferences(): number {
    return this.evaluator.inferences;
  }

  score(weights: SlotWeights, jobs: readonly Job[], between: () => Promise<void>) {
    return this.evaluator.score(() => weights.feeds(), jobs.map(({ task, set }) => {
      if (set.kind !== "pictures") throw new LabError("internal", `Task ${task.id} is not about pictures.`);
      return { set, ...portOf(this.heads, task) };
    }), between);
  }

  async answer(weights: SlotWeights, tasks: readonly LoadedTask[], question: Question): Promise<Said[]> {
    if (!("pixels" in question)) throw new LabError("bad-arguments", "These models look at pictures; a text cannot be shown to them.");
    return (await this.evaluator.answer(weights.feeds(), tasks.map((task) => portOf(this.heads, task)), question.pixels)).map((logits) => ({ logits }));
  }
}

class ClassifyingEvaluators implements Evaluators {
  constructor(private readonly heads: Heads, private readonly classifier: TextClassifier, private readonly tokens: ReadonlyMap<string, Tokens>) {}

  get inferences(): number {
    return this.classifier.inferences;
  }

  score(weights: SlotWeights, jobs: readonly Job[], between: () => Promise<void>) {
    return this.classifier.score(() => weights.feeds(), jobs.map(({ task, set, needs }) => ({ ...textsOf(task, set), needs, ...this.#portOf(task) })), between);
  }

  async answer(weights: SlotWeights, tasks: readonly LoadedTask[], question: Question): Promise<Said[]> {
    const { prompt, pair } = asText(question);
    return (await this.classifier.answer(weights.feeds(), tasks.map((task) => this.#portOf(task)), prompt, pair)).map((logits) => ({ logits }));
  }

  #portOf(task: LoadedTask) {
    return { ...portOf(this.heads, task), tokens: readerOf(this.tokens, task) };
  }
}

class WritingEvaluators implements Evaluators {
  inferences = 0;

  constructor(
    private readonly loaded: Loaded, private readonly heads: Heads, private readonly sounding: Sounding, private readonly speakers: ReadonlyMap<string, Speaker>,
  ) {}

  async score(weights: SlotWeights, jobs: readonly Job[], between: () => Promise<void>) {
    const scores: (SampleScores | null)[] = jobs.map(() => null);
    for (const [head, some] of this.#byHead(jobs)) {
      const calls = some.reduce((sum, at) => sum + callsOf(jobs[at] as Job, this.loaded.batch), 0);
      await this.sounding.with(weights, head, calls, async (voices) => {
        for (const at of some) {
          const { task, set, needs } = jobs[at] as Job;
          const speaker = readerOf(this.speakers, task);
          scores[at] = await scoreSpoken({ speaker, voices, batch: this.loaded.batch, between: (samples) => ((this.inferences += samples), between()) }, { ...textsOf(task, set), needs });
          if (!scores[at].finite) return;
        }
      });
      if (scores.some((one) => one?.finite === false)) break;
    }
    return scores;
  }

  async answer(weights: SlotWeights, tasks: readonly LoadedTask[], question: Question): Promise<Said[]> {
    const { prompt } = asText(question);
    const said: Said[] = [];
    for (const task of tasks) {
      const most = Math.max(16, task.texts?.maxNewTokens ?? 0);
      said.push(await this.sounding.with(weights, portOf(this.heads, task).head, most, async (voices) => {
        const { texts } = await readerOf(this.speakers, task).generate(voices, [prompt], most);
        return { text: texts[0] ?? "" };
      }));
    }
    return said;
  }

  /** Positions of jobs by the head that is fed for them: one baking serves all of a head. */
  #byHead(jobs: readonly Job[]): Map<Feeds, number[]> {
    const groups = new Map<Feeds, number[]>();
    jobs.forEach(({ task }, i) => {
      const { head } = portOf(this.heads, task);
      groups.set(head, [...(groups.get(head) ?? []), i]);
    });
    return groups;
  }
}

/** A batch of texts is written in as many runs as it may have tokens, or weighed in about two. */
function callsOf({ task, set, needs }: Job, batch: number): number {
  const written = (task.texts?.kind === "generation" || task.texts?.kind === "code") && needs.metric;
  return Math.ceil(set.count / batch) * (written ? (task.texts?.maxNewTokens ?? 1) : 2);
}

function textsOf(task: LoadedTask, set: SampleSet): { set: TextSet; task: TextTask } {
  if (set.kind !== "texts" || task.texts === null) throw new LabError("internal", `Task ${task.id} is not about texts.`);
  return { set, task: task.texts };
}

function asText(question: Question): { prompt: string; pair?: string } {
  if ("pixels" in question) throw new LabError("bad-arguments", "These models read texts; a picture cannot be shown to them.");
  return question;
}

function readerOf<T>(readers: ReadonlyMap<string, T>, task: LoadedTask): T {
  const reader = readers.get(task.head);
  if (!reader) throw new LabError("internal", `The tokenizer for task ${task.id} was never loaded.`);
  return reader;
}

/** Tokenizer and configurations of the models whose heads read texts; a head without a tokenizer of its own has the base's. */
export async function readersOf({ models, tasks }: Loaded, hub: Hub): Promise<Readers> {
  const found = new Map<string, TextFiles>();
  const [base] = models;
  for (const id of new Set(tasks.filter(({ texts }) => texts !== null).map(({ head }) => head))) {
    const own = models.find((model) => model.id === id)?.model;
    const source = [own, base?.model].find((model) => model?.files.some(({ path }) => path === "tokenizer.json"));
    if (!own || !source) {
      throw new LabError("not-found", `${own?.ref ?? id} has no tokenizer.json, so texts cannot be put to it. Save its fast tokenizer beside the model (AutoTokenizer.from_pretrained(…).save_pretrained(DIR)).`);
    }
    const json = async (model: typeof source, path: string) => (model.files.some((file) => file.path === path) ? parsed(await hub.file(model.handle, path), `${model.ref}/${path}`) : null);
    found.set(id, {
      tokenizer: (await json(source, "tokenizer.json")) ?? {},
      tokenizerConfig: (await json(source, "tokenizer_config.json")) ?? {},
      config: own.config?.raw ?? base?.model.config?.raw ?? {},
      generationConfig: (await json(own, "generation_config.json")) ?? (base ? await json(base.model, "generation_config.json") : null),
    });
  }
  return found;
}

function parsed(bytes: Uint8Array, file: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch {
    // said below
  }
  throw new LabError("unknown-model", `${file} is not a JSON object. Download it again.`);
}

