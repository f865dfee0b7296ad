/**
 * Few-shot examples: worked rows before each prompt. Where the source has a split for them they are its first rows, as benchmarks do it. Else
 * they come from samples on no side, never from test: of the optimise pool's fixed order the last ones, while samples are taken from its
 * beginning, so that no count changes which they are.
 */
import { LabError } from "../../lib/error.ts";
import type { RecipeTask } from "../../recipe/schema.ts";
import type { LoadedRows } from "../../threads/hub.ts";
import { spare, type Drawn, type Side } from "../draw.ts";
import { emptyIn, exampleOf } from "./sample.ts";
import type { TaskSpec } from "./settle.ts";
import type { Row } from "./template.ts";

type Part = LoadedRows["splits"][Side];

/** What stands before the prompt of a row. */
export function drawnShots(task: RecipeTask, spec: TaskSpec, source: LoadedRows, drawn: Record<Side, Drawn<Part>>, seed: number): (row: Row) => readonly string[] {
  const asked = task.few_shot ?? 0;
  if (typeof asked !== "number") {
    const shots = asked.map((row, i) => exampleOf(spec, row, `few_shot.${i}`));
    return () => shots;
  }
  if (asked === 0) return () => [];
  const by = task.few_shot_by;
  if (by !== undefined && !spec.columns.has(by)) throw new LabError("bad-samples", `Task ${task.id}: few_shot_by names the column ${by}, which its samples do not have.`);
  const groupOf = (row: Row) => (by === undefined ? "" : JSON.stringify(spec.columns.read(by, row) ?? null));
  const groups = new Map<string, string[]>();
  for (const { row, id } of candidates(task, spec, source, drawn, seed)) {
    const group = groups.get(groupOf(row)) ?? [];
    groups.set(groupOf(row), group);
    if (group.length < asked) group.push(exampleOf(spec, row, id));
  }
  return (row) => {
    const shots = groups.get(groupOf(row)) ?? [];
    if (shots.length < asked) {
      const among = by === undefined ? "" : ` with ${by} ${groupOf(row)}`;
      throw new LabError("too-few-samples", `Task ${task.id} asks for ${asked} few-shot examples, but ${shots.length} rows${among} are on no side. Ask for fewer, or lower optimise.`, { details: { task: task.id, asked, available: shots.length } });
    }
    return shots;
  };
}

/** Rows that may serve as examples, in the order they are taken: of a split of their own where the source has one. */
function candidates(task: RecipeTask, spec: TaskSpec, source: LoadedRows, drawn: Record<Side, Drawn<Part>>, seed: number): { row: Row; id: string }[] {
  const own = source.shots;
  if (own) return own.rows.map((row, i) => ({ row, id: own.id[i] ?? "" })).filter(({ row }) => emptyIn(spec, row) === null);
  return spare(task, source, drawn, seed).map(({ from, index, id }) => ({ row: from.rows[index] ?? {}, id }));
}
