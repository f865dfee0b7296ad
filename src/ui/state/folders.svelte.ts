/**
 * A merge of folders of safetensors, dropped on the page: what was dropped, what is to be done with it (a formula, or a YAML of
 * mergekit's), what it will cost, how far it is. Weights stay files: only the lab's threads read them.
 */
import {
  methodSpec, parseRecipe, readMergekit,
  type FolderFile, type FolderPlan, type Lab, type LabEvent, type MethodName, type MountedFile, type Recipe, type SinkOrder,
} from "../../index.ts";

export interface Folder {
  readonly name: string;
  readonly files: readonly MountedFile[];
  readonly bytes: number;
}

export type Merging = Extract<LabEvent, { type: "merging" }>;

export class Folders {
  dropped = $state.raw<readonly Folder[]>([]);
  base = $state<string | null>(null);
  method = $state<MethodName>("ties");
  /** Whole-method and per-model numbers, as typed; empty: the method's default. */
  numbers = $state.raw<Readonly<Record<string, number>>>({});
  yaml = $state.raw<{ readonly name: string; readonly text: string } | null>(null);
  plan = $state.raw<FolderPlan | null>(null);
  progress = $state.raw<Merging | null>(null);
  files = $state.raw<readonly FolderFile[] | null>(null);
  remarks = $state.raw<readonly string[]>([]);
  problem = $state<string | null>(null);
  busy = $state<"planning" | "merging" | null>(null);
  #stop: AbortController | null = null;

  readonly needsBase = $derived(this.yaml === null && methodSpec(this.method).base === "required");
  readonly ready = $derived(this.yaml !== null ? this.dropped.length > 0 : this.dropped.length > (this.needsBase ? 1 : 0) && (!this.needsBase || this.base !== null));

  /** Files as a drop or a folder field gives them: paths begin with the folder's name. */
  add(files: readonly { readonly path: string; readonly file: File }[]): void {
    const byFolder = new Map<string, MountedFile[]>();
    for (const { path, file } of files) {
      const [folder = "", ...rest] = path.split("/").filter(Boolean);
      if (rest.length === 0) {
        if (/\.ya?ml$/i.test(folder)) void file.text().then((text) => this.setYaml({ name: folder, text }));
        continue;
      }
      const inside = rest.join("/");
      if (/(^|\/)\./.test(inside)) continue;
      byFolder.set(folder, [...(byFolder.get(folder) ?? []), { path: inside, bytes: file.size, blob: file }]);
    }
    const added = [...byFolder].map(([name, own]): Folder => ({ name, files: own, bytes: own.reduce((sum, { bytes }) => sum + bytes, 0) }));
    this.dropped = [...this.dropped.filter(({ name }) => !byFolder.has(name)), ...added];
    this.base ??= this.dropped.find(({ name }) => /\bbase\b/i.test(name))?.name ?? this.dropped[0]?.name ?? null;
    this.#changed();
  }

  remove(name: string): void {
    this.dropped = this.dropped.filter((folder) => folder.name !== name);
    if (this.base === name) this.base = this.dropped[0]?.name ?? null;
    this.#changed();
  }

  setYaml(yaml: { readonly name: string; readonly text: string } | null): void {
    this.yaml = yaml;
    this.#changed();
  }

  setBase(name: string | null): void {
    this.base = name;
    this.#changed();
  }

  setMethod(method: MethodName): void {
    this.method = method;
    this.numbers = {};
    this.#changed();
  }

  setNumber(name: string, value: number | null): void {
    const { [name]: _, ...rest } = this.numbers;
    this.numbers = value === null ? rest : { ...rest, [name]: value };
    this.#changed();
  }

  /** What the merge will read, write and hold; the recipe behind it is shown on the way to the command line. */
  recipe(): Recipe {
    if (this.yaml !== null) {
      const known = new Set(this.dropped.map(({ name }) => name));
      const { recipe, warnings } = readMergekit(this.yaml.text, { file: this.yaml.name, exists: (path) => known.has(lastOf(path)) });
      this.remarks = warnings.map(({ message }) => message);
      return parseRecipe(recipe);
    }
    const spec = methodSpec(this.method);
    const withBase = spec.base !== "none" && this.base !== null && (this.needsBase || this.dropped.length > 1);
    const experts = this.dropped.filter(({ name }) => !(withBase && name === this.base));
    const weight = this.numbers["weight"];
    const { weight: _, ...numbers } = this.numbers;
    return parseRecipe({
      murmuration: 1,
      ...(withBase ? { base: { model: `./${this.base}` } } : {}),
      experts: experts.map(({ name }, i) => ({ id: idOf(name, i), model: `./${name}`, ...(weight === undefined ? {} : { parameters: { weight } }) })),
      tasks: [],
      runs: [{ id: "merge", method: this.method, ...(withBase ? {} : { base_model: null }), ...numbers }],
      out_dtype: "auto",
    } as unknown);
  }

  async look(lab: Lab): Promise<void> {
    this.problem = null;
    this.busy = "planning";
    try {
      const recipe = this.recipe();
      await this.#mount(lab, recipe);
      this.plan = await lab.planFolders(recipe);
    } catch (problem) {
      this.#fail(problem);
    } finally {
      this.busy = null;
    }
  }

  /** Into a folder the person chose, or the origin's own files, from which they are downloaded. */
  async merge(lab: Lab, sink: SinkOrder | undefined): Promise<void> {
    this.problem = null;
    this.files = null;
    this.busy = "merging";
    this.#stop = new AbortController();
    try {
      const recipe = this.recipe();
      await this.#mount(lab, recipe);
      const onEvent = (event: LabEvent) => {
        if (event.type === "merging") this.progress = event;
        if (event.type === "warning") this.remarks = [...this.remarks, event.message];
      };
      const { files } = await lab.mergeFolders(recipe, { onEvent, signal: this.#stop.signal, ...(sink ? { sink } : {}) });
      this.files = files;
    } catch (problem) {
      if (!this.#stop.signal.aborted) this.#fail(problem);
    } finally {
      this.busy = null;
      this.progress = null;
      this.#stop = null;
    }
  }

  cancel(): void {
    this.#stop?.abort();
  }

  /** Every model a recipe names is one of the dropped folders. */
  async #mount(lab: Lab, recipe: Recipe): Promise<void> {
    const vocabulary = [recipe.tokenizer_source, recipe.tokenizer?.source].filter((source) => source?.includes("/"));
    const named = [recipe.base.model, ...recipe.experts.map((expert) => expert.model), ...(vocabulary as string[])];
    // With `+adapter` two folders are named, unless one's own name has a +.
    const isOne = (reference: string) => !reference.includes("+") || this.dropped.some(({ name }) => name.includes("+") && reference.endsWith(name));
    for (const model of named.flatMap((one) => (isOne(one) ? [one] : one.split("+")))) {
      const folder = this.dropped.find(({ name }) => name === lastOf(model));
      if (folder) await lab.mount(model, [...folder.files]);
    }
  }

  #changed(): void {
    this.plan = null;
    this.files = null;
    this.problem = null;
    this.remarks = [];
  }

  #fail(problem: unknown): void {
    this.problem = problem instanceof Error ? problem.message : String(problem);
  }
}

const lastOf = (path: string): string => path.split("/").filter(Boolean).at(-1) ?? path;

function idOf(name: string, place: number): string {
  const id = name.toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+/, "").slice(0, 60);
  return id === "" || id === "base" || id === "merge" ? `model-${place + 1}` : id;
}
