/** Where scores stand on "Task by task": one axis for all tasks whose scores have bounds, one of its own for each whose scores have none. */
import { METRICS } from "../../index.ts";
import { isBounded, isShare } from "../format.ts";
import { ROLES, type TaskRow } from "./taskRows.ts";

export interface Axis {
  readonly low: number;
  readonly high: number;
  /** Ticks are per cent. */
  readonly percent: boolean;
}

const reached = ({ marks }: TaskRow): number[] => ROLES.flatMap((role) => (marks[role] ? [marks[role].value, ...(marks[role].interval ?? [])] : []));

/** From below the least score to 1, in tenths; null: no task has bounds. */
export function sharedAxis(rows: readonly TaskRow[]): Axis | null {
  const bounded = rows.filter(({ metric }) => isBounded(metric));
  if (bounded.length === 0) return null;
  const least = Math.min(1, ...bounded.flatMap(reached));
  const floor = bounded.every(({ metric }) => isShare(metric)) ? 0 : -1;
  return { low: Math.max(floor, Math.min(0.75, Math.floor(least * 10 - 0.3) / 10)), high: 1, percent: bounded.every(({ metric }) => isShare(metric)) };
}

/** Worse to better, a tenth of room on both sides: perplexity falls to the right. */
export function ownAxis(row: TaskRow): readonly [worst: number, best: number] {
  const all = reached(row);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const room = (most - least || Math.abs(most) || 1) / 10;
  return METRICS[row.metric ?? ""]?.lowerIsBetter ? [most + room, least - room] : [least - room, most + room];
}
