/** How the weights of a graph are made of a checkpoint's tensors: found by their values, or told by a family's names. */
import type { NamesMap, OnnxWeight } from "../../checkpoint/types.ts";

/** A tensor, or some lines of it, as it stands in a weight. */
export interface WeightPart {
  readonly name: string;
  readonly transposed: boolean;
  /** Of the tensor (as it stands, transposed or not) along the weight's `axis`: first, and one past the last; null: all. */
  readonly lines: readonly [number, number] | null;
  /** Tensors that hold the very same numbers in the base and have no weight of their own: graphs keep equal tensors once. */
  readonly alike: readonly string[];
}

export interface MappedWeight {
  /** One after the other along `axis`; most weights are one tensor. */
  readonly parts: readonly WeightPart[];
  readonly axis: 0 | 1;
}

export interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

export interface WeightMap {
  /** By the weight's id in the graph; null: in no tensor of the checkpoint, the graph's own. */
  readonly weights: readonly (MappedWeight | null)[];
  /** Weights without a tensor. */
  readonly unmapped: readonly NamedShape[];
  /** Tensors that no weight is made of. */
  readonly unused: readonly NamedShape[];
}

/** Names for aligning and for export, of those weights that are one whole tensor. */
export function namesOf(map: WeightMap, weights: readonly OnnxWeight[], shapeOf: (name: string) => readonly number[] | undefined): NamesMap {
  const tensors: Record<string, NamesMap["tensors"][string]> = {};
  for (const weight of weights) {
    const mapped = map.weights[weight.id];
    const part = mapped?.parts.length === 1 ? mapped.parts[0] : undefined;
    const shape = part && part.lines === null ? shapeOf(part.name) : undefined;
    if (!part || !shape || weight.name === "" || (part.transposed ? [...shape].reverse() : shape).join() !== weight.shape.join()) continue;
    tensors[weight.name] = { name: part.name, transposed: part.transposed, shape };
  }
  return { names: 1, tensors };
}

/** The other way about: a family's own map, for graphs whose checkpoint is not there to be compared. */
export function mapOf(names: NamesMap, weights: readonly OnnxWeight[]): WeightMap {
  const mapped = weights.map(({ name }): MappedWeight | null => {
    const told = Object.hasOwn(names.tensors, name) ? names.tensors[name] : undefined;
    return told ? { parts: [{ name: told.name, transposed: told.transposed, lines: null, alike: [] }], axis: 0 } : null;
  });
  return { weights: mapped, unmapped: weights.filter((_, i) => !mapped[i]), unused: [] };
}
