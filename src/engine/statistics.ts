/** What can be said of task vectors before anything is merged: sums a tensor come from the basis, here they become layers. */
import { findStacks, layerOf } from "../recipe/plan/layers.ts";
import type { Segment, VectorStatistics } from "../space/types.ts";
import type { LayerStatistics, Statistics } from "../threads/merge.ts";

interface Group {
  readonly layer: number | null;
  readonly name: string;
  readonly segments: number[];
}

/** `config`: of the base, for its number of layers. */
export function statisticsOf(segments: readonly Segment[], experts: readonly string[], sums: VectorStatistics, config: Readonly<Record<string, unknown>> | null): Statistics {
  const told = (group: Group) => tell(group, segments, experts, sums);
  const tensors = segments.map(({ index, name, layer }) => told({ layer, name, segments: [index] }));
  return {
    experts: [...experts],
    cosine: told({ layer: null, name: "", segments: segments.map(({ index }) => index) }).cosine,
    layers: groupsOf(segments, config).map(told),
    tensors,
  };
}

/** Embeddings, then layers by number, then the rest; what is in no layer goes by the module it belongs to. */
function groupsOf(segments: readonly Segment[], config: Readonly<Record<string, unknown>> | null): Group[] {
  const stacks = findStacks(segments.map(({ name }) => name), config);
  const groups = new Map<string, Group>();
  for (const { index, name } of segments) {
    const found = layerOf(name, stacks);
    const key = found ? `${found.stack.prefix}.${found.layer}` : name.replace(/\.(weight|bias)$/, "").split(".").slice(0, 2).join(".");
    const group = groups.get(key) ?? { layer: found?.layer ?? null, name: key, segments: [] };
    groups.set(key, group);
    group.segments.push(index);
  }
  const rank = ({ layer, name }: Group) => (layer !== null ? 1 : /emb|wte|wpe/.test(name) ? 0 : 2);
  const stackOf = ({ name }: Group) => stacks.findIndex(({ prefix }) => name.startsWith(`${prefix}.`));
  return [...groups.values()].sort((a, b) => rank(a) - rank(b) || stackOf(a) - stackOf(b) || (a.layer ?? 0) - (b.layer ?? 0));
}

function tell({ layer, name, segments: among }: Group, segments: readonly Segment[], experts: readonly string[], { dots, zeros, conflicts }: VectorStatistics): LayerStatistics {
  const n = experts.length;
  const total = (at: (segment: number) => number) => among.reduce((sum, segment) => sum + at(segment), 0);
  const elements = total((segment) => segments[segment]?.length ?? 0);
  const share = (count: number) => (elements === 0 ? 0 : count / elements);
  const inner = experts.map((_, i) => experts.map((_, j) => total((segment) => dots[(segment * n + i) * n + j] as number)));
  const norms = inner.map((row, i) => Math.sqrt(row[i] as number));
  const byExpert = <T>(of: (i: number) => T) => Object.fromEntries(experts.map((id, i) => [id, of(i)]));
  return {
    layer, name, elements,
    norm: byExpert((i) => norms[i] as number),
    cosine: byExpert((i) => byExpert((j) => cosine(inner[i]?.[j] as number, (norms[i] as number) * (norms[j] as number)))),
    signConflicts: share(total((segment) => conflicts[segment] as number)),
    zeros: byExpert((i) => share(total((segment) => zeros[segment * n + i] as number))),
  };
}

/** Null where a vector is zero: it has no direction. */
function cosine(inner: number, norms: number): number | null {
  return norms > 0 ? Math.max(-1, Math.min(1, inner / norms)) : null;
}
