/** Places become tensors: two places hold one tensor only where they share their weight in every model. */
import type { OnnxWeight } from "../../checkpoint/types.ts";
import type { Place, Pairing } from "./pair.ts";

export interface Group {
  /** One weight a model, in the order of the models. */
  readonly weights: readonly OnnxWeight[];
  readonly places: readonly Place[];
}

export function groupPlaces(pairings: readonly Pairing[]): Group[] {
  const groups = new Map<string, { weights: OnnxWeight[]; places: Place[] }>();
  for (const [key, { place }] of pairings[0] ?? []) {
    const weights = pairings.map((pairing) => (pairing.get(key) as { weight: OnnxWeight }).weight);
    const together = weights.map((weight) => weight.id).join(",");
    const group = groups.get(together);
    if (group) group.places.push(place);
    else groups.set(together, { weights, places: [place] });
  }
  return [...groups.values()];
}

export const sameShape = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

export const shapesAgree = (group: Group): boolean => group.weights.every((weight) => sameShape(weight.shape, (group.weights[0] as OnnxWeight).shape));
