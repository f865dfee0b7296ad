/** Names of the output tensors, each with the name it has in every source, the slice it belongs to and its place among the layers. */
import { LabError } from "../../lib/error.ts";
import { list } from "../../lib/words.ts";
import type { Checkpoint, Checkpoints } from "./checkpoints.ts";
import { inLayer, layerOf, place, type Stack } from "./layers.ts";
import { otherNames, standsAfter } from "./names.ts";
import type { Slice, Source } from "./sources.ts";

export interface OutputName {
  readonly name: string;
  readonly slice: Slice;
  readonly sources: readonly { readonly source: Source; readonly name: string }[];
  /** Place of its layer in the slice, 0…1; 0 outside the layers. */
  readonly t: number;
  readonly layer: number | null;
}

export class Outputs {
  readonly #checkpoints: Checkpoints;
  readonly #slices: readonly Slice[];
  readonly #sliced: boolean;

  constructor(checkpoints: Checkpoints, slices: readonly Slice[], sliced: boolean) {
    this.#checkpoints = checkpoints;
    this.#slices = slices;
    this.#sliced = sliced;
    if (sliced) this.#checkRanges();
    else this.#checkCounts();
  }

  all(): OutputName[] {
    return this.#sliced ? this.#layerByLayer() : this.#whole();
  }

  /** Where each layer of the result comes from: [model, layer]; null where layers are as they were. */
  get layers(): readonly { readonly model: string; readonly layer: number }[] | null {
    if (!this.#sliced) return null;
    return this.#slices.flatMap(({ sources: [first] }) => (first?.range == null ? [] : Array.from({ length: first.range[1] - first.range[0] }, (_, i) => ({ model: first.id, layer: (first.range?.[0] ?? 0) + i }))));
  }

  /** Same names everywhere. */
  #whole(): OutputName[] {
    const [slice] = this.#slices;
    if (slice === undefined) return [];
    const { stacks } = this.#first(slice);
    return this.#union(slice.sources).map((name) => {
      const found = layerOf(name, stacks);
      return {
        name, slice, sources: slice.sources.map((source) => ({ source, name })),
        t: found === null ? 0 : place(found.layer, found.stack.layers), layer: found?.layer ?? null,
      };
    });
  }

  #layerByLayer(): OutputName[] {
    const [first, last] = [this.#slices[0], this.#slices.at(-1)];
    if (first === undefined || last === undefined) return [];
    const { architecture } = this.#first(first);
    // As mergekit has it: norm and head come from the last slice, but from no more of its models than the first slice has.
    const ends: Slice = { ...last, sources: last.sources.slice(0, first.sources.length) };
    const loose = (slice: Slice, after: boolean) => this.#union(slice.sources)
      .filter((name) => layerOf(name, this.#first(slice).stacks) === null && standsAfter(name, architecture) === after)
      .map((name): OutputName => ({ name, slice, sources: slice.sources.map((source) => ({ source, name })), t: 0, layer: null }));
    let layer = 0;
    const layers = this.#slices.flatMap((slice) => {
      const length = slice.sources[0]?.range == null ? 0 : slice.sources[0].range[1] - slice.sources[0].range[0];
      return Array.from({ length }, (_, i) => this.#layer(slice, i, layer++, place(i, length))).flat();
    });
    return [...loose(first, false), ...layers, ...loose(ends, true)];
  }

  #layer(slice: Slice, offset: number, layer: number, t: number): OutputName[] {
    const { prefix } = this.#stack(this.#first(this.#slices[0] as Slice)); // there is one: the caller took it
    const theirs = slice.sources.map((source) => {
      const checkpoint = this.#checkpoints.of(source.id);
      const stack = this.#stack(checkpoint);
      const at = (source.range?.[0] ?? 0) + offset;
      const rests = [...checkpoint.names].flatMap((name) => {
        const found = layerOf(name, [stack]);
        return found?.layer === at ? [found.rest] : [];
      });
      return { source, stack, at, rests };
    });
    return [...new Set(theirs.flatMap(({ rests }) => rests))].map((rest) => ({
      name: inLayer(prefix, layer, rest), slice, t, layer,
      sources: theirs.map(({ source, stack, at }) => ({ source, name: inLayer(stack.prefix, at, rest) })),
    }));
  }

  /** Names of the first source, then what others have beside, older names of the same tensor counted once. */
  #union(sources: readonly Source[]): string[] {
    const names = new Set<string>();
    for (const { id } of sources) {
      for (const name of this.#checkpoints.of(id).names) if (!names.has(name) && !otherNames(name).some((other) => names.has(other))) names.add(name);
    }
    return [...names];
  }

  #first({ sources: [first] }: Slice): Checkpoint {
    return this.#checkpoints.of(first?.id ?? "base");
  }

  #stack(checkpoint: Checkpoint): Stack {
    const [stack, second] = checkpoint.stacks;
    if (stack === undefined) throw new LabError("graph-mismatch", `${checkpoint.name} has no numbered layers, so it cannot be sliced; merge it whole, with models.`);
    if (second !== undefined) {
      throw new LabError("graph-mismatch", `${checkpoint.name} has ${checkpoint.stacks.length} stacks of layers (${list(checkpoint.stacks.map(({ prefix }) => prefix))}), and slices do not say which they mean; merge it whole, with models.`);
    }
    return stack;
  }

  #checkRanges(): void {
    for (const { sources } of this.#slices) {
      for (const { id, range } of sources) {
        const checkpoint = this.#checkpoints.of(id);
        const { layers } = this.#stack(checkpoint);
        if (range !== null && range[1] > layers) throw new LabError("bad-recipe", `layer_range [${range[0]}, ${range[1]}] goes beyond ${checkpoint.name}, which has ${layers} layers.`);
      }
    }
  }

  #checkCounts(): void {
    const [first, ...others] = this.#slices.flatMap(({ sources }) => sources.map(({ id }) => this.#checkpoints.of(id)));
    for (const other of others) {
      for (const { prefix, layers } of first?.stacks ?? []) {
        const theirs = other.stacks.find((stack) => stack.prefix === prefix);
        if (theirs !== undefined && theirs.layers !== layers) {
          throw new LabError("graph-mismatch", `${first?.name} has ${layers} layers and ${other.name} has ${theirs.layers}. Say with slices which layers go together.`);
        }
      }
    }
  }
}
