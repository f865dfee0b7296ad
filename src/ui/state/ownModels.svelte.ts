/** Somebody's own models on their way to a recipe: named or dropped, looked at, given tasks, loaded. */
import type { Lab, Preflight, RecipeInput } from "../../index.ts";
import { parseReference, referenceProblem } from "../../lib/reference.ts";
import { nameOf } from "../cards.ts";
import type { Dropped } from "../dropped.ts";
import { list } from "../format.ts";
import { s } from "../strings.ts";
import { isSamples, OwnTasks } from "./ownTasks.svelte.ts";

export class OwnModels {
  base = $state("");
  experts = $state.raw<readonly string[]>(["", ""]);
  /** Folders of models that were dropped: `./name` names one. */
  dropped = $state.raw<readonly Dropped[]>([]);
  look = $state.raw<Preflight | null>(null);
  looking = $state(false);
  problem = $state<string | null>(null);
  readonly tasks = new OwnTasks();
  #turn = 0;

  /** Base first; empty fields left out. */
  named = $derived([this.base, ...this.experts].map((text) => text.trim()).filter((text) => text !== ""));
  ready = $derived(this.base.trim() !== "" && this.named.length > 1 && [this.base, ...this.experts].every((text, place) => this.problemAt(place, text) === null));
  /** What of a recipe's names the experts get. */
  ids = $derived(idsOf(this.named.slice(1)));

  /** What is wrong with one field, as a sentence. 0 is the base. */
  problemAt(place: number, text: string): string | null {
    const reference = text.trim();
    if (reference === "") return null;
    const problem = referenceProblem(reference);
    if (problem !== null) return s.own.wrong(problem);
    const parsed = parseReference(reference);
    const folders = [parsed, ...(parsed.adapter ? [parsed.adapter] : [])].flatMap((one) => (one.kind === "path" ? [one.path] : []));
    if (folders.some((path) => !this.dropped.some(({ name }) => path === `./${name}`))) return s.own.notDropped;
    const others = [this.base, ...this.experts].filter((_, i) => i !== place).map((one) => one.trim());
    return others.includes(reference) ? s.own.twice : null;
  }

  setBase(text: string): void {
    this.base = text;
    this.#changed();
  }

  setExpert(place: number, text: string): void {
    this.experts = this.experts.with(place, text);
    this.#changed();
  }

  addExpert(): void {
    this.experts = [...this.experts, ""];
  }

  removeExpert(place: number): void {
    this.experts = this.experts.filter((_, i) => i !== place);
    this.#changed();
  }

  /** Wherever they were dropped: folders of models, files and folders of samples. What is neither is said. */
  async take(lab: Pick<Lab, "mount" | "preview">, found: readonly Dropped[]): Promise<void> {
    const models = found.filter((one) => isModel(one) && referenceProblem(`./${one.name}`) === null && !one.name.includes("+"));
    if (models.length > 0) await this.#takeModels(lab, models);
    const samples = found.filter(isSamples);
    await this.tasks.drop(lab, samples, this.ids);
    const strange = found.filter((one) => !models.includes(one) && !samples.includes(one)).map(({ name }) => name);
    if (strange.length > 0) this.problem = s.own.strange(list(strange.slice(0, 3)));
  }

  /** In the first fields that are empty. */
  async #takeModels(lab: Pick<Lab, "mount">, models: readonly Dropped[]): Promise<void> {
    for (const one of models) {
      await lab.mount(`./${one.name}`, [...one.files]);
      const reference = `./${one.name}`;
      this.dropped = [...this.dropped.filter(({ name }) => name !== one.name), one];
      if ([this.base, ...this.experts].includes(reference)) continue;
      const empty = this.experts.indexOf("");
      if (this.base === "" && (/\bbase\b/i.test(one.name) || empty < 0)) this.base = reference;
      else if (empty >= 0) this.experts = this.experts.with(empty, reference);
      else this.experts = [...this.experts, reference];
    }
    this.#changed();
  }

  undrop(name: string): void {
    this.dropped = this.dropped.filter((one) => one.name !== name);
    if (this.base === `./${name}`) this.base = "";
    this.experts = this.experts.map((text) => (text === `./${name}` ? "" : text));
    this.#changed();
  }

  async lookAt(lab: Pick<Lab, "preflight">): Promise<void> {
    const turn = ++this.#turn;
    const [base = "", ...experts] = this.named;
    this.problem = null;
    this.look = null;
    this.looking = true;
    try {
      const look = await lab.preflight({ base, experts });
      if (turn !== this.#turn) return;
      this.look = look;
      this.tasks.offer(this.ids, look);
    } catch (problem) {
      if (turn === this.#turn) this.problem = problem instanceof Error ? problem.message : String(problem);
    } finally {
      if (turn === this.#turn) this.looking = false;
    }
  }

  /** Another Hub: what was seen of the old one says nothing. */
  forgetLook(): void {
    this.#changed();
  }

  recipe(): RecipeInput {
    const [base = "", ...experts] = this.named;
    const tasks = this.tasks.recipe(this.ids);
    return {
      murmuration: 1,
      title: `${this.ids.join(", ")} on ${nameOf(base)}`.slice(0, 200),
      base: { model: base },
      experts: experts.map((model, i) => ({ id: this.ids[i] ?? `expert-${i + 1}`, model: this.#onBase(model) })),
      tasks,
      fitness: { measure: tasks.every(({ metric }) => metric === "accuracy") ? "log_likelihood" : "metric" },
      runs: [{ id: "pso", method: "pso_merging", inertia: 0.6, start: ["base", "experts", { method: "task_arithmetic", lambda: 0.3 }, { method: "task_arithmetic", lambda: 0.6 }] }],
      compare: [{ id: "average", method: "linear" }, { id: "ta", method: "task_arithmetic", lambda: 0.3 }],
      export: "pso",
    };
  }

  /** An adapter that was named alone lies on the base. */
  #onBase(model: string): string {
    const alone = !model.includes("+") && this.look?.models.find(({ ref }) => ref === model)?.format === "lora";
    return alone ? `${this.base.trim()}+${model}` : model;
  }

  #changed(): void {
    this.#turn++;
    this.looking = false;
    this.look = null;
    this.problem = null;
  }
}

/** A folder with weights in it; what else is dropped may be samples. */
export const isModel = ({ isFolder, files }: Dropped): boolean => isFolder && files.some(({ path }) => /\.(onnx|safetensors)$/.test(path));

const TAKEN = ["base", "pso", "average", "ta", "merge", "formula", "mean"];

/** Names that a recipe may use, each once: of "owner/bert-sst2" bert-sst2. */
export function idsOf(references: readonly string[]): string[] {
  const used = new Set(TAKEN);
  return references.map((reference, i) => {
    const plain = (reference.split("+").at(-1) ?? "").replace(/@.*$/, "").split("/").at(-1) ?? "";
    const name = plain.toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+|-+$/g, "").slice(0, 40) || `expert-${i + 1}`;
    let id = name;
    for (let n = 2; used.has(id); n++) id = `${name}-${n}`;
    used.add(id);
    return id;
  });
}
