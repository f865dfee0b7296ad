/** Headers of the models of one plan, by name and by place; tensors by their name, an older name, or the one they are tied to. */
import { LabError } from "../../lib/error.ts";
import { findStacks, type Stack } from "./layers.ts";
import { isListed, otherNames, tiedTo } from "./names.ts";
import type { HeaderTensor, ModelHeader } from "./types.ts";

export class Checkpoint {
  readonly header: ModelHeader;
  readonly place: number;
  /** For messages: "math (./math)". */
  readonly name: string;
  readonly stacks: readonly Stack[];
  readonly #tensors: ReadonlyMap<string, HeaderTensor>;
  readonly #names: ReadonlySet<string>;

  constructor(header: ModelHeader, place: number, name: string) {
    this.header = header;
    this.place = place;
    this.name = name;
    this.#tensors = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
    this.#names = new Set(this.#tensors.keys());
    this.stacks = findStacks([...this.#names], header.config);
  }

  get names(): ReadonlySet<string> {
    return this.#names;
  }

  get architecture(): string | null {
    const [first] = Array.isArray(this.header.config?.architectures) ? (this.header.config.architectures as unknown[]) : [];
    return typeof first === "string" ? first : null;
  }

  /** The tensor itself, or what stands in for it. */
  find(name: string): { readonly tensor: HeaderTensor; readonly tied: boolean } | null {
    const own = this.#tensors.get(name) ?? otherNames(name).map((other) => this.#tensors.get(other)).find((tensor) => tensor !== undefined);
    if (own !== undefined) return { tensor: own, tied: false };
    const [tied] = tiedTo(name, this.#names);
    const stands = tied === undefined ? undefined : this.#tensors.get(tied);
    return stands === undefined ? null : { tensor: stands, tied: true };
  }

  /** True where the tensor is in the file, under this name or an older one. */
  holds(name: string): boolean {
    return this.#names.has(name) || otherNames(name).some((other) => this.#names.has(other));
  }
}

export class Checkpoints {
  readonly ids: readonly string[];
  readonly #all: readonly Checkpoint[];

  constructor(headers: readonly ModelHeader[], nameOf: (id: string) => string) {
    this.ids = headers.map(({ id }) => id);
    this.#all = headers.map((header, i) => new Checkpoint(header, i, nameOf(header.id)));
    const [first, ...others] = this.#all;
    const other = others.find(({ architecture }) => architecture !== null && first?.architecture != null && architecture !== first.architecture);
    if (first !== undefined && other !== undefined) {
      throw new LabError("graph-mismatch", `${first.name} is ${first.architecture} and ${other.name} is ${other.architecture}. Only models of one architecture can be merged.`);
    }
  }

  of(id: string): Checkpoint {
    return this.at(this.ids.indexOf(id));
  }

  at(place: number): Checkpoint {
    const checkpoint = this.#all[place];
    if (checkpoint === undefined) throw new LabError("internal", `The plan has no model ${place}.`);
    return checkpoint;
  }

  /** The architecture is one whose tensors mergekit lists. */
  get listed(): boolean {
    return isListed(this.#all[0]?.architecture ?? null);
  }
}
