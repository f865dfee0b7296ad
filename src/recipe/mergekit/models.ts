/** The models that a configuration names: a reference of ours and an id for each. */
import { list, show } from "../../lib/words.ts";
import { referenceProblem } from "../reference.ts";
import type { WrittenModel } from "./config.ts";

export interface ReadOptions {
  /** How messages name the file. */
  readonly file?: string;
  /** True where a folder of that name lies beside the file; names that it has are never looked for on the Hub. */
  readonly exists?: (path: string) => boolean;
}

/** Ids that mean something else. */
const TAKEN = ["base", "union", "mean"];
const OF_HUB = /^[^/\s]+\/[^/\s]+$/;

export class Models {
  readonly #options: ReadOptions;
  readonly #ids = new Map<string, string>();
  readonly #taken: Set<string>;
  readonly #problems: string[];
  readonly base: string | null;

  /** `alsoTaken`: names in the same space as ids, of the run. */
  constructor(base: WrittenModel | null, options: ReadOptions, alsoTaken: readonly string[], problems: string[]) {
    this.#options = options;
    this.#problems = problems;
    this.#taken = new Set([...TAKEN, ...alsoTaken]);
    this.base = base === null ? null : this.reference(base, "base_model");
    if (this.base !== null) this.#ids.set(this.base, "base");
  }

  /** The id of a model that takes part; made from the last word of its reference, the first time it is met. */
  id(model: WrittenModel, path: string): string {
    const reference = this.reference(model, path);
    const known = this.#ids.get(reference);
    if (known !== undefined) return known;
    const stem = idFrom(reference);
    let id = stem;
    for (let again = 2; this.#taken.has(id); again++) id = `${stem}-${again}`;
    this.#taken.add(id);
    this.#ids.set(reference, id);
    return id;
  }

  known(model: WrittenModel, path: string): string | null {
    return this.#ids.get(this.reference(model, path)) ?? null;
  }

  /** All but the base, in the order they were met. */
  get experts(): { id: string; model: string }[] {
    return [...this.#ids].filter(([, id]) => id !== "base").map(([model, id]) => ({ id, model }));
  }

  /** In our form: `./dir`, `/dir`, `owner/name@revision`, each with `+adapter`. */
  reference({ path, adapter }: WrittenModel, where: string): string {
    const reference = [path, ...(adapter === null ? [] : [adapter])].map((part) => this.#place(part, where)).join("+");
    const problem = referenceProblem(reference);
    if (problem !== null && !this.#problems.some((one) => one.startsWith(`${where} `))) this.#problems.push(`${where} is ${show(path)}, which ${problem}.`);
    return reference;
  }

  #place(written: string, where: string): string {
    const path = written.length > 1 ? written.replace(/\/+$/, "") : written;
    if (/^(\.{1,2})?\//.test(path)) return path;
    const { exists, file = "the file" } = this.#options;
    if (exists === undefined ? !OF_HUB.test(path) : exists(path)) return `./${path}`;
    if (OF_HUB.test(path)) return path;
    this.#problems.push(`${where} is ${show(written)}, but there is no such folder beside ${file}; write a folder that is there, or owner/name for a model on the Hub.`);
    return `./${path}`;
  }
}

function idFrom(reference: string): string {
  const words = reference.split("+").map((part) => (part.replace(/(?<=[^@/])@[^/]*$/, "").split("/").at(-1) ?? "").replace(/\.safetensors$/, ""));
  const id = words.join("-").toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^[^a-z0-9]+|-+$/g, "").slice(0, 60);
  return id === "" ? "model" : id;
}

export function namesOf(ids: readonly string[]): string {
  return list(ids.slice(0, 5)) + (ids.length > 5 ? " and more" : "");
}
