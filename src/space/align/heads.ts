/**
 * Which tensors are heads: not shared by all models, so kept per model and never merged. By shape: the last weights
 * before an output, or an embedding gathered right from an input, that differ in size. By labels: where the models
 * say that their classes mean different things, the last linear layer, though its shape may agree.
 */
import type { ModelConfig } from "../../checkpoint/types.ts";
import { type CanonicalModel, resolve, type Site } from "./canonical.ts";
import { type Flow } from "./flow.ts";
import { type Group, shapesAgree } from "./group.ts";
import type { Place } from "./pair.ts";

export interface FoundHeads {
  readonly heads: ReadonlyMap<Group, "shape" | "labels">;
  /** Tensors that differ in shape and are no heads: these models cannot be merged. */
  readonly misfits: readonly Group[];
}

export function findHeads(base: CanonicalModel, flow: Flow, groups: readonly Group[], configs: readonly (ModelConfig | null)[]): FoundHeads {
  const sites = weightedSites(groups);
  const ends = lastLayers(base, sites);
  const heads = new Map<Group, "shape" | "labels">();
  if (labelsDiffer(configs)) {
    for (const end of ends) if (isClassifier(end, configs, flow, sites)) for (const group of end) heads.set(group, "labels");
  }
  for (const group of groups) if (!shapesAgree(group)) heads.set(group, "shape");

  const atEnd = (group: Group, place: Place) => ends.some((end) => end.has(group)) && isLast(place, flow, sites, heads);
  const fits = (group: Group) => group.places.every((place) => atEnd(group, place) || isVocabulary(place, base, group));
  const misfits = groups.filter((group) => heads.get(group) === "shape" && !fits(group));
  return { heads, misfits };
}

/** Nodes that use weights, and which. */
function weightedSites(groups: readonly Group[]): Map<Site, Group[]> {
  const sites = new Map<Site, Group[]>();
  for (const group of groups) {
    for (const { at } of group.places) if (at.kind === "input") sites.set(at.site, [...(sites.get(at.site) ?? []), group]);
  }
  return sites;
}

/** No weight comes after it but other heads. */
function isLast({ at }: Place, flow: Flow, sites: ReadonlyMap<Site, Group[]>, heads: ReadonlyMap<Group, unknown>): boolean {
  if (at.kind === "output") return at.scope.parent === null;
  for (const site of flow.after(at.site)) if (sites.get(site)?.some((group) => !heads.has(group))) return false;
  return true;
}

/** Rows picked by the numbers that come in: only the number of rows may differ. */
function isVocabulary({ at, slot }: Place, base: CanonicalModel, group: Group): boolean {
  if (at.kind === "output" || at.site.node.opType !== "Gather" || slot !== 0) return false;
  if (at.site.node.attribute.some((a) => a.name === "axis" && a.i !== undefined && a.i !== 0n)) return false;
  const rows = group.weights.map((weight) => weight.shape.slice(1).join());
  if (new Set(rows).size > 1) return false;
  let source = resolve(at.site.scope, at.site.node.input[1] ?? "", base.id);
  for (let casts = 0; casts < 4 && source.kind === "node" && source.site.node.opType === "Cast"; casts++) {
    source = resolve(source.site.scope, source.site.node.input[0] ?? "", base.id);
  }
  return source.kind === "formal" && source.scope.parent === null;
}

/** Models that say nothing about labels agree with everyone. */
function labelsDiffer(configs: readonly (ModelConfig | null)[]): boolean {
  const said = new Set(configs.flatMap((config) => (config?.labels ? [JSON.stringify(config.labels)] : [])));
  return said.size > 1;
}

const linear = new Set(["MatMul", "Gemm", "Conv", "Einsum", "FusedMatMul"]);
const reshapes = new Set(["Transpose", "Reshape", "Squeeze", "Unsqueeze"]);

/** An output at a time: what is found going backwards to the first linear layer on each way, that layer included. */
function lastLayers(base: CanonicalModel, sites: ReadonlyMap<Site, Group[]>): Set<Group>[] {
  return base.root.graph.output.map((output) => {
    const found = new Set<Group>();
    const start = resolve(base.root, output.name ?? "", base.id);
    const todo = start.kind === "node" ? [start.site] : [];
    const seen = new Set(todo);
    for (let next = todo.pop(); next; next = todo.pop()) {
      const site = next;
      const sources = site.node.input.map((name) => resolve(site.scope, name, base.id));
      const isLinear = linear.has(site.node.opType ?? "");
      // A tied table comes to its linear layer through a Transpose.
      const turned = isLinear ? sources.flatMap((source) => (source.kind === "node" && reshapes.has(source.site.node.opType ?? "") ? (sites.get(source.site) ?? []) : [])) : [];
      const here = [...(sites.get(site) ?? []), ...turned];
      for (const group of here) found.add(group);
      if (here.length && isLinear) continue;
      for (const source of sources) {
        if (source.kind !== "node" || seen.has(source.site)) continue;
        seen.add(source.site);
        todo.push(source.site);
      }
    }
    return found;
  });
}

/** Each tensor has one dimension of as many elements as its model has labels (those of hidden states have none). */
function isClassifier(end: ReadonlySet<Group>, configs: readonly (ModelConfig | null)[], flow: Flow, sites: ReadonlyMap<Site, Group[]>): boolean {
  const all = [...end];
  const counted = all.every((group) => group.weights.every((weight, i) => weight.shape.includes(configs[i]?.labels?.length ?? weight.shape[0] ?? 0)));
  const asHeads = new Map(all.map((group) => [group, "labels"]));
  return all.length > 0 && counted && all.every((group) => group.places.every((place) => isLast(place, flow, sites, asHeads)));
}
