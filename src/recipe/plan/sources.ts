/** Slices of a run as the plan walks them: a run without slices is one slice of all layers. */
import type { Scalar, Setting } from "../../lib/settings.ts";
import type { MergeRun, ModelParameters, MergeSlice } from "../../methods/runs.ts";
import { inputsOf } from "../checkMerge.ts";
import type { Recipe } from "../schema.ts";

export interface Source {
  readonly id: string;
  /** Null: all layers, whatever their number. */
  readonly range: readonly [number, number] | null;
  /** Own settings, nearest first; a name may stand in several. */
  readonly scopes: readonly Readonly<Record<string, Setting<Scalar> | undefined>>[];
}

export interface Slice {
  readonly sources: readonly Source[];
  /** Id of its base, or null. */
  readonly base: string | null;
  readonly scopes: readonly Readonly<Record<string, Setting<Scalar> | undefined>>[];
}

type Scope = Readonly<Record<string, Setting<Scalar> | undefined>>;

/** Id of the base that a run names. */
export const baseOf = (run: Pick<MergeRun, "base_model">): string | null => (run.base_model === undefined ? "base" : run.base_model);

export function slicesOf(recipe: Recipe, run: MergeRun): Slice[] {
  const whole = run as unknown as Scope;
  const own = (id: string): Scope => ({
    ...(id === "base" ? recipe.base.parameters : recipe.experts.find((expert) => expert.id === id)?.parameters),
    ...(run.weights?.[id] === undefined ? {} : { weight: run.weights[id] }),
  });
  if (run.slices === undefined) {
    const sources = inputsOf(recipe, run).map((id): Source => ({ id, range: null, scopes: [own(id), whole] }));
    return [{ sources, base: baseOf(run), scopes: [whole] }];
  }
  return run.slices.map((slice) => sliceOf(slice, run, own, whole));
}

function sliceOf(slice: MergeSlice, run: MergeRun, own: (id: string) => Scope, whole: Scope): Slice {
  const outer: Scope = slice.parameters ?? {};
  const sources = slice.sources.map(({ model, layer_range, parameters }): Source => {
    const here: ModelParameters = parameters ?? {};
    // What a slice says of weight it says for all its tensors: where none of its filters fits, the weight is missing, as in mergekit.
    const { weight: _, ...rest } = own(model);
    const theirs = here.weight === undefined && outer.weight === undefined ? own(model) : rest;
    return { id: model, range: layer_range, scopes: [here, outer, theirs, whole] };
  });
  return { sources, base: slice.base_model === undefined ? baseOf(run) : slice.base_model, scopes: [outer, whole] };
}
