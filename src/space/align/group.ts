/** Places become tensors: two places hold one tensor only where they share their weight in every model. */
import type { OnnxWeight } from "../../checkpoint/types.ts";
import type { Place, Pairing } from "./pair.ts";

export interface Group {
  /** One weight a model, in the order of the models. */
  readonly weights: readonly OnnxWeight[];
  readonly places: readonly Place[];
}

/** In the order of the base's nodes, first use first: that is how people read messages and how sharing exporters name. */
export function groupPlaces(pairings: readonly Pairing[]): Group[] {
  const groups = new Map<string, { weights: OnnxWeight[]; places: Place[] }>();
  for (const [key, { place }] of pairings[0] ?? []) {
    const weights = pairings.map((pairing) => (pairing.get(key) as { weight: OnnxWeight }).weight);
    const together = weights.map((weight) => weight.id).join(",");
    const group = groups.get(together);
    if (group) group.places.push(place);
    else groups.set(together, { weights, places: [place] });
  }
  for (const group of groups.values()) group.places.sort(inFileOrder);
  return [...groups.values()].sort((a, b) => inFileOrder(a.places[0] as Place, b.places[0] as Place));
}

function inFileOrder(a: Place, b: Place): number {
  const [x, y] = [positionOf(a), positionOf(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return (x[i] as number) - (y[i] as number);
  return x.length - y.length || a.slot - b.slot || (a.key < b.key ? -1 : 1);
}

/** "12/then_branch/3" → 12, 3; what leaves a graph comes after all its nodes. */
function positionOf({ at }: Place): number[] {
  const numbers = (path: string) => (path.match(/\d+/g) ?? []).map(Number);
  return at.kind === "input" ? numbers(at.site.path) : [...numbers(at.scope.path), Infinity];
}

export const sameShape = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

export const shapesAgree = (group: Group): boolean => group.weights.every((weight) => sameShape(weight.shape, (group.weights[0] as OnnxWeight).shape));
