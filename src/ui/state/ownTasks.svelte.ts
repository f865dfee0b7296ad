/** Tasks for somebody's own models: where samples come from, which column is what, how many are drawn. */
import { BENCHMARKS, METRICS, TASK_KINDS, type Benchmark, type Lab, type Preflight, type RecipeInput, type RowsPreview, type TaskKind } from "../../index.ts";
import { referenceProblem } from "../../lib/reference.ts";
import type { Dropped } from "../dropped.ts";
import { s } from "../strings.ts";
import { columnFor } from "../templates.ts";

export type Origin = "preset" | "dataset" | "file" | "pictures";
export type Role = "prompt" | "pair" | "choices" | "answer";
type TaskInput = NonNullable<RecipeInput["tasks"]>[number];

export interface OwnTask {
  readonly key: number;
  readonly from: Origin;
  readonly preset: string;
  readonly dataset: string;
  readonly config: string;
  readonly split: string;
  /** `./name` of what was dropped. */
  readonly file: string;
  /** Expert whose head scores it; empty: models of language need none. */
  readonly head: string;
  readonly kind: TaskKind | "";
  readonly metric: string;
  /** Templates; empty: what the engine takes when nothing is said. */
  readonly roles: Readonly<Record<Role, string>>;
  readonly fewShot: number;
  readonly extract: "" | "last_number" | "choice_letter" | "after";
  /** Behind which the answer stands, with extract "after". */
  readonly marker: string;
  readonly optimise: number;
  readonly test: number;
}

export interface Rows {
  readonly busy: boolean;
  readonly preview: RowsPreview | null;
  readonly problem: string | null;
}

/** Models that say what follows a text; others have heads. */
const SPEAKS = /^(t5|mt5|umt5|bart|mbart|pegasus|marian|llama|mistral|qwen\d?|gpt|phi|gemma|opt|bloom|falcon|olmo|smollm|granite|starcoder|stablelm)/;
const NONE = { busy: false, preview: null, problem: null };

export class OwnTasks {
  list = $state.raw<readonly OwnTask[]>([]);
  /** Files and folders of samples that were dropped: `./name` names one. */
  dropped = $state.raw<readonly Dropped[]>([]);
  /** Looks at rows, by task. */
  rows = $state.raw<Readonly<Record<number, Rows>>>({});
  /** True where each expert has a head of its own. */
  headed = $state(true);
  #keys = 0;

  /** Those that fit the models; one without a data set needs a file and a recipe. */
  benchmarks = $derived(BENCHMARKS.filter(({ kind, source }) => source !== null && kindsFor(this.headed).includes(kind)));

  ready = $derived(this.list.length > 0 && this.list.every((task) => this.problemOf(task) === null));

  /** After a look at the models: what their tasks need. */
  offer(experts: readonly string[], { models }: Preflight): void {
    const type = models.find(({ modelType }) => modelType !== null)?.modelType ?? "";
    this.headed = !SPEAKS.test(type);
    this.list = this.list.map((task) => ({ ...task, head: this.headed ? (experts.includes(task.head) ? task.head : (experts[0] ?? "")) : "" }));
  }

  add(from: Origin, experts: readonly string[], change: Partial<OwnTask> = {}): OwnTask {
    const head = this.headed ? (experts.find((id) => !this.list.some((task) => task.head === id)) ?? experts[0] ?? "") : "";
    const task: OwnTask = {
      key: ++this.#keys, from, preset: "", dataset: "", config: "", split: "", file: "", head, kind: "", metric: "",
      roles: { prompt: "", pair: "", choices: "", answer: "" }, fewShot: 0, extract: "", marker: "####", optimise: 50, test: 200, ...change,
    };
    this.list = [...this.list, task];
    return task;
  }

  remove(key: number): void {
    this.list = this.list.filter((task) => task.key !== key);
  }

  /** Another source has other columns: what was said of the old ones goes. */
  set(key: number, change: Partial<OwnTask>): void {
    const elsewhere = ["dataset", "config", "split", "file", "preset"].some((name) => name in change);
    const blank = elsewhere ? { roles: { prompt: "", pair: "", choices: "", answer: "" }, kind: "" as const, metric: "" } : {};
    this.list = this.list.map((task) => (task.key === key ? { ...task, ...blank, ...change } : task));
    if (elsewhere) this.rows = { ...this.rows, [key]: NONE };
  }

  /** A benchmark says all there is to say. */
  choose(key: number, name: string): void {
    const benchmark = BENCHMARKS.find((one) => one.name === name);
    this.set(key, { preset: name });
    if (benchmark) this.set(key, asked(benchmark));
  }

  setRole(key: number, role: Role, template: string): void {
    const task = this.list.find((one) => one.key === key);
    if (task) this.set(key, { roles: { ...task.roles, [role]: template } });
  }

  /** Files of samples, and folders of pictures, become tasks at once. */
  async drop(lab: Pick<Lab, "mount" | "preview">, found: readonly Dropped[], experts: readonly string[]): Promise<void> {
    for (const one of found) {
      const reference = `./${one.name}`;
      await lab.mount(reference, [...one.files]);
      this.dropped = [...this.dropped.filter(({ name }) => name !== one.name), one];
      const task = this.add(one.isFolder ? "pictures" : "file", experts, { file: reference });
      if (!one.isFolder) await this.look(lab, task.key);
    }
  }

  /** The first rows of a task's samples; columns that were not said are guessed from their names. */
  async look(lab: Pick<Lab, "preview">, key: number): Promise<void> {
    const task = this.list.find((one) => one.key === key);
    const source = task && sourceOf(task);
    if (!task || source === undefined) return;
    this.rows = { ...this.rows, [key]: { ...NONE, busy: true } };
    try {
      const preview = await lab.preview(source);
      this.rows = { ...this.rows, [key]: { ...NONE, preview } };
      const now = this.list.find((one) => one.key === key);
      if (now && now.preset === "") this.set(key, this.#guessed(now, preview));
    } catch (problem) {
      this.rows = { ...this.rows, [key]: { ...NONE, problem: problem instanceof Error ? problem.message : String(problem) } };
    }
  }

  #guessed(task: OwnTask, { columns, told }: RowsPreview): Partial<OwnTask> {
    const template = (role: Role) => task.roles[role] || columnFor(role, columns);
    const kind = task.kind || told.kind || (columnFor("choices", columns) !== "" ? "multiple_choice" : this.headed ? "classification" : "generation");
    const asked = ROLES[kind];
    const roles = { prompt: template("prompt"), pair: template("pair"), choices: template("choices"), answer: template("answer") };
    return { kind, roles: Object.fromEntries(Object.entries(roles).map(([role, text]) => [role, asked.includes(role as Role) ? text : ""])) as OwnTask["roles"] };
  }

  problemOf(task: OwnTask): string | null {
    const words = s.ownTasks.problems;
    if (task.from === "dataset") {
      if (task.dataset.trim() === "") return words.noDataset;
      const problem = referenceProblem(task.dataset.trim());
      if (problem !== null) return s.own.wrong(problem);
    }
    if (task.from === "preset" && task.preset === "") return words.noPreset;
    if ((task.from === "file" || task.from === "pictures") && task.file === "") return words.noFile;
    const count = this.rows[task.key]?.preview?.count ?? null;
    if (count !== null && count < task.optimise + task.test) return words.tooFew(count, task.optimise + task.test);
    return this.rows[task.key]?.problem ?? null;
  }

  recipe(experts: readonly string[]): TaskInput[] {
    const ids = new Set<string>();
    return this.list.map((task): TaskInput => {
      const { roles, kind, metric, preset, extract, marker, fewShot, optimise, test } = task;
      const source = sourceOf(task);
      return {
        id: idOf(task, ids),
        ...(this.headed && experts.includes(task.head) ? { head: task.head } : {}),
        ...(preset === "" ? {} : { preset }),
        ...(source === undefined || preset !== "" ? {} : { source }),
        ...(METRICS[metric] ? { metric: metric as NonNullable<TaskInput["metric"]> } : {}),
        ...(kind === "" || preset !== "" || task.from === "pictures" ? {} : { kind, ...Object.fromEntries(ROLES[kind].filter((role) => roles[role].trim() !== "").map((role) => [role, roles[role]])) }),
        ...(fewShot > 0 ? { few_shot: fewShot } : {}),
        ...(extract === "" || kind !== "generation" ? {} : { extract: extract === "after" ? { after: marker } : extract }),
        optimise,
        test,
      } as TaskInput;
    });
  }
}

/** What each kind asks of a row. */
export const ROLES: Readonly<Record<TaskKind, readonly Role[]>> = {
  classification: ["prompt", "pair", "answer"],
  regression: ["prompt", "pair", "answer"],
  multiple_choice: ["prompt", "choices", "answer"],
  generation: ["prompt", "answer"],
  code: ["prompt", "answer"],
  likelihood: ["prompt", "answer"],
};

export const kindsFor = (headed: boolean): readonly TaskKind[] => TASK_KINDS.filter((kind) => (kind === "classification" || kind === "regression") === headed);

/** JSONL and CSV are rows of texts; a folder without a model in it is one of pictures. */
export function isSamples({ isFolder, files, name }: Dropped): boolean {
  return isFolder ? files.some(({ path }) => /\.(png|jpe?g)$/i.test(path)) && !files.some(({ path }) => /\.(onnx|safetensors)$/.test(path)) : /\.(jsonl|csv|tsv|json)$/i.test(name);
}

const asked = ({ kind, prompt, pair, choices, answer }: Benchmark): Partial<OwnTask> => ({ kind, roles: { prompt, pair, choices, answer } });

function sourceOf({ from, preset, dataset, config, split, file }: OwnTask): string | { dataset: string; config?: string; split?: string } | undefined {
  if (from === "file" || from === "pictures") return file;
  if (from === "preset") {
    const known = BENCHMARKS.find(({ name }) => name === preset)?.source;
    return known ? { ...known } : undefined;
  }
  return { dataset: dataset.trim(), ...(config.trim() ? { config: config.trim() } : {}), ...(split.trim() ? { split: split.trim() } : {}) };
}

function idOf({ preset, dataset, config, file }: OwnTask, used: Set<string>): string {
  const plain = preset || (config.trim() && config.trim() !== "default" ? config.trim() : (dataset.split("/").at(-1) ?? "")) || file.replace(/^.*\/|\.\w+$/g, "");
  const name = plain.toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+|-+$/g, "").slice(0, 40) || "task";
  let id = name;
  for (let n = 2; used.has(id) || id === "mean"; n++) id = `${name}-${n}`;
  used.add(id);
  return id;
}

