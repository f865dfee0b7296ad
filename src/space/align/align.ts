/**
 * One space for models of one architecture. Graphs are paired from their outputs backwards, each weight is known by its
 * place of use, and the base's graph is lifted: its weights become inputs. Names made by exporters decide nothing.
 */
import { type Role, roleOf, splitParts, withoutRole } from "../../checkpoint/onnx/parts.ts";
import type { AlignInput, Alignment, GraphPort, Head, LiftedGraph, NamesMap } from "../../checkpoint/types.ts";
import { isLabError, LabError } from "../../lib/error.ts";
import type { Segment } from "../types.ts";
import { type CanonicalModel, canonicalise } from "./canonical.ts";
import { type Flow, flowOf } from "./flow.ts";
import { type Group, groupPlaces } from "./group.ts";
import { findHeads, type FoundHeads } from "./heads.ts";
import { type Lift, lift, type Lifted } from "./lift.ts";
import { misfitError, whatFits } from "./misfit.ts";
import { layerOf, type Named, nameGroups } from "./names.ts";
import { pair, type Pairing } from "./pair.ts";

/** Models in any order; `baseId` names the one whose graph is lifted. */
export function align(models: readonly AlignInput[], options: { baseId: string; names?: NamesMap | null }): Alignment {
  const inputs = baseFirst(models, options.baseId);
  const canonical = inputs.map(canonicalise);
  const base = canonical[0] as CanonicalModel;
  const ids = inputs.map((input) => input.id);
  const flow = flowOf(base);

  const fit = (paired: readonly (readonly [Pairing, AlignInput])[]): FoundHeads & { groups: Group[] } => {
    const groups = groupPlaces(paired.map(([pairing]) => pairing));
    return { groups, ...findHeads(base, flow, groups, paired.map(([, { config }]) => config)) };
  };
  const tried = canonical.map((model) => attempt(() => pair(base, model)));
  const paired = tried.flatMap((one, i) => (one instanceof LabError ? [] : [[one, inputs[i] as AlignInput] as const]));
  const alone = (id: string): boolean => {
    const two = paired.filter(([, input]) => input.id === options.baseId || input.id === id);
    return two.length === 2 && fit(two).misfits.length === 0;
  };
  const failed = tried.find((one) => one instanceof LabError);
  if (failed instanceof LabError) throw whatFits(failed, ids, alone);
  const { groups, heads, misfits } = fit(paired);
  if (misfits.length) throw whatFits(misfitError(misfits, groups, ids), ids, alone);

  const named = nameGroups(groups, options.names ?? null);
  const order = [...groups].sort((a, b) => compare(nameOf(named, a), nameOf(named, b)));
  const shared = order.filter((group) => !heads.has(group));
  const kept = order.filter((group) => heads.has(group));
  const symbols = symbolsOf(kept, named);
  const lifted = lift(
    base,
    [...shared, ...kept].map((group): Lift => ({ name: nameOf(named, group), shape: openShape(group, symbols), places: group.places })),
    openOutputs(kept, symbols, flow, base),
  );
  return {
    ...spaceOf(shared, named),
    segments: shared.map((group, i) => ({ inputs: [lifted.names[i] as string], weight: byModel(ids, group, (w) => w.id), dtype: weightOf(group, 0).dtype })),
    heads: kept.map((group, i): Head => ({
      input: lifted.names[shared.length + i] as string,
      name: nameOf(named, group),
      of: byModel(ids, group, (w) => ({ weight: w.id, shape: w.shape })),
      why: heads.get(group) ?? "shape",
      dtype: weightOf(group, 0).dtype,
    })),
    graph: lifted.graph,
    inputs: lifted.inputs,
    outputs: lifted.outputs,
    graphs: graphsOf(lifted, (inputs[0] as AlignInput).skeleton.roles),
  };
}

function graphsOf(lifted: Lifted, roles: readonly Role[]): LiftedGraph[] {
  return splitParts(lifted.graph, roles, new Set(lifted.names)).map(({ role, bytes, kept }): LiftedGraph => {
    const own = (ports: readonly GraphPort[]) => (roles.length <= 1 ? ports : ports.filter(({ name }) => roleOf(name) === role).map((port) => ({ ...port, name: withoutRole(port.name) })));
    return { role, bytes, inputs: own(lifted.inputs), outputs: own(lifted.outputs), weights: kept };
  });
}

function baseFirst(models: readonly AlignInput[], baseId: string): AlignInput[] {
  const base = models.find((model) => model.id === baseId);
  if (!base) throw new LabError("internal", `There is no model ${baseId} among ${models.map((m) => m.id).join(", ")}.`);
  return [base, ...models.filter((model) => model !== base)];
}

function attempt(action: () => Pairing): Pairing | LabError {
  try {
    return action();
  } catch (error) {
    if (isLabError(error)) return error;
    throw error;
  }
}

/** Code units, not a language's order: the same everywhere. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const nameOf = (named: ReadonlyMap<Group, Named>, group: Group): string => named.get(group)?.name ?? "";
const weightOf = (group: Group, model: number) => group.weights[model] as Group["weights"][number];

function byModel<T>(ids: readonly string[], group: Group, pick: (weight: Group["weights"][number]) => T): Record<string, T> {
  return Object.fromEntries(ids.map((id, i) => [id, pick(weightOf(group, i))]));
}

function spaceOf(groups: readonly Group[], named: ReadonlyMap<Group, Named>): Pick<Alignment, "space"> {
  let start = 0;
  const segments = groups.map((group, index): Segment => {
    const { shape, length } = weightOf(group, 0);
    const { name, transposed } = named.get(group) as Named;
    const segment = { index, name, shape, transposed, length, start, layer: layerOf(name) };
    start += length;
    return segment;
  });
  return { space: { segments, length: start } };
}

/** A size in each model, "10,10,26,48": where models differ, one symbol for it wherever it appears. */
const sizesOf = (group: Group, axis: number): string => group.weights.map((weight) => weight.shape[axis]).join();

function symbolsOf(heads: readonly Group[], named: ReadonlyMap<Group, Named>): Map<string, string> {
  const symbols = new Map<string, string>();
  for (const head of heads) {
    weightOf(head, 0).shape.forEach((_, axis) => {
      const sizes = sizesOf(head, axis);
      if (new Set(sizes.split(",")).size > 1 && !symbols.has(sizes)) symbols.set(sizes, `${nameOf(named, head)}_dim${axis}`);
    });
  }
  return symbols;
}

const openShape = (group: Group, symbols: ReadonlyMap<string, string>): (number | string)[] =>
  weightOf(group, 0).shape.map((size, axis) => symbols.get(sizesOf(group, axis)) ?? size);

/** Per output that a head reaches: the base's sizes that are open, and their symbols. */
function openOutputs(heads: readonly Group[], symbols: ReadonlyMap<string, string>, flow: Flow, base: CanonicalModel): Map<number, Map<number, string>> {
  const open = new Map<number, Map<number, string>>();
  for (const head of heads) {
    const own = openShape(head, symbols).flatMap((size, axis) => (typeof size === "string" ? [[weightOf(head, 0).shape[axis] ?? 0, size] as const] : []));
    if (own.length === 0) continue;
    for (const { at, slot } of head.places) {
      const outputs = at.kind === "input" ? flow.outputs(at.site) : at.scope === base.root ? [slot] : [];
      for (const output of outputs) open.set(output, new Map([...own, ...(open.get(output) ?? [])]));
    }
  }
  return open;
}
