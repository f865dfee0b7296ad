/** Rows of a source become a task of texts: settled, drawn, filled in, and with a way to judge what comes back. */
import { LabError } from "../../lib/error.ts";
import type { RecipeTask } from "../../recipe/schema.ts";
import type { LoadedRows } from "../../threads/hub.ts";
import { drawSamples, type Side } from "../draw.ts";
import type { TextSet, TextTask } from "../types.ts";
import { judgeOf } from "./judge.ts";
import { emptyIn, makeSample } from "./sample.ts";
import { isHeaded, settle, spelt, type TaskSpec } from "./settle.ts";
import { drawnShots } from "./shots.ts";

type Part = LoadedRows["splits"][Side];

export interface LoadedTextTask {
  readonly texts: TextTask;
  /** Names of classes; empty where there are none. */
  readonly labels: readonly string[];
  readonly sides: Record<Side, TextSet>;
  /** The recipe's task with what source and kind added. */
  readonly recipe: RecipeTask;
  readonly warnings: readonly { code: string; message: string }[];
}

/** `headLabels`: classes of the model that scores it, where it has a head. */
export function loadTextTask(task: RecipeTask, source: LoadedRows, seed: number, headLabels: readonly string[] | null): LoadedTextTask {
  const spec = settle(task, source.told, source.columns, headLabels);
  const labels = spec.kind === "classification" ? classesOf(spec, headLabels) : [];
  const { usable, warnings } = usableRows(spec, { ...source, splits: named(spec, source.splits) });
  // As it is spelt out, so that a recipe made of it draws the very same.
  const recipe = spelt(task, spec, source.found);
  const drawn = drawSamples(recipe, usable, seed);
  const shotsFor = drawnShots(recipe, spec, usable, drawn, seed);
  const side = (name: Side): TextSet => {
    const { from, indices } = drawn[name];
    const made = indices.map((index) => {
      const [row, id] = [from.rows[index] ?? {}, from.id[index] ?? ""];
      return makeSample(spec, row, id, labels, shotsFor(row));
    });
    const clusters = from.cluster && indices.map((index) => from.cluster?.[index] ?? "");
    return {
      kind: "texts",
      ids: indices.map((index) => from.id[index] ?? ""),
      // Null where every sample is a source of its own: then they are independent, and simpler intervals hold.
      clusters: clusters && new Set(clusters).size < clusters.length ? clusters : null,
      count: indices.length,
      labels: Float64Array.from(made, ({ label }) => label),
      samples: made.map(({ sample }) => sample),
    };
  };
  return {
    texts: { kind: spec.kind, labels, maxNewTokens: spec.maxNewTokens, stop: spec.stop, judge: judgeOf(spec) },
    labels,
    sides: { optimise: side("optimise"), validate: side("validate"), test: side("test") },
    recipe,
    warnings,
  };
}

/** The head's, in its order; for a model that names none, the source's. */
function classesOf(spec: TaskSpec, headLabels: readonly string[] | null): readonly string[] {
  if (headLabels !== null && headLabels.length > 0) return headLabels;
  if (spec.labels !== null && !("parts" in spec.labels)) return spec.labels;
  throw new LabError("bad-samples", `Task ${spec.id} is ${spec.kind}, but neither its head nor its source tells the names of the classes. Write them in labels, in the head's order.`);
}

/** Ids and clusters by the columns that the recipe names for them. */
function named(spec: TaskSpec, splits: LoadedRows["splits"]): LoadedRows["splits"] {
  const { id, cluster } = spec.columns.names;
  if (id === undefined && cluster === undefined) return splits;
  const renamed = new Map<Part, Part>();
  const text = (row: Record<string, unknown>, column: string) => (typeof row[column] === "string" || typeof row[column] === "number" ? String(row[column]) : null);
  const of = (part: Part): Part => {
    const done = renamed.get(part) ?? {
      rows: part.rows,
      id: id === undefined ? part.id : part.rows.map((row, i) => text(row, id) ?? part.id[i] ?? ""),
      cluster: cluster === undefined ? part.cluster : part.rows.map((row, i) => text(row, cluster) ?? `row ${part.id[i]}`),
    };
    renamed.set(part, done);
    return done;
  };
  return { optimise: of(splits.optimise), validate: of(splits.validate), test: of(splits.test) };
}

/** Rows that can be asked. Which those are hangs on the row alone, so no count moves a sample. */
function usableRows(spec: TaskSpec, source: LoadedRows): { usable: LoadedRows; warnings: { code: string; message: string }[] } {
  const cut = new Map<Part, Part>();
  const skipped = new Map<string, { count: number; first: string }>();
  let kept = 0;
  for (const part of new Set(Object.values(source.splits))) {
    const good: number[] = [];
    part.rows.forEach((row, i) => {
      const empty = emptyIn(spec, row);
      if (empty === null) return good.push(i);
      const seen = skipped.get(empty);
      return skipped.set(empty, { count: (seen?.count ?? 0) + 1, first: seen?.first ?? part.id[i] ?? "" });
    });
    kept += good.length;
    const pick = <T>(from: readonly T[]) => good.flatMap((i) => from.slice(i, i + 1));
    cut.set(part, good.length === part.rows.length ? part : { rows: pick(part.rows), id: pick(part.id), cluster: part.cluster && pick(part.cluster) });
  }
  const of = (side: Side) => cut.get(source.splits[side]) ?? source.splits[side];
  const said = [...skipped].map(([what, { count, first }]) => `${count} of them without ${what} (${first} is the first)`).join(", ");
  if (kept === 0 && skipped.size > 0) {
    const secret = isHeaded(spec.kind) || spec.kind === "multiple_choice" ? " Splits that keep their answers secret have −1 there; take another." : "";
    throw new LabError("bad-samples", `Task ${spec.id}: no row can be asked, ${said}.${skipped.has("answer") ? secret : ""}`);
  }
  return {
    usable: { ...source, splits: { optimise: of("optimise"), validate: of("validate"), test: of("test") } },
    warnings: skipped.size === 0 ? [] : [{ code: "rows-skipped", message: `Task ${spec.id} leaves out rows of its source: ${said}.` }],
  };
}
