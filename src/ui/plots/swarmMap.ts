/** Everything the swarm's map draws, in pixels: made once a change from rows and plane, so the component only places shapes. */
import type { Plane, TraceRow } from "../../index.ts";
import { originModel } from "../palette.ts";
import { averageRow, extentOf, modelRow, project, rowOf, type Extent, type Place } from "./plane.ts";

/** Width ÷ height of the map, on every screen: contours are computed for one box. */
export const MAP_ASPECT = 1.62;
const MOST_STRETCH = 1.4;

export interface MapDot {
  readonly particle: number;
  readonly row: TraceRow;
  readonly model: string;
  readonly x: number;
  readonly y: number;
  /** Last move, px: the velocity. */
  readonly dx: number;
  readonly dy: number;
  /** 0 on the plane … 1 as far off it as the furthest start. */
  readonly off: number;
  readonly trail: readonly (readonly [number, number])[];
  readonly personalBest: readonly [number, number] | null;
}

export interface MapMark {
  readonly id: string;
  readonly x: number;
  readonly y: number;
}

export interface SwarmMap {
  readonly box: Extent;
  readonly starts: readonly (MapMark & { readonly labelled: boolean })[];
  readonly dots: readonly MapDot[];
  readonly average: MapMark | null;
  readonly best: (MapMark & { readonly row: TraceRow }) | null;
  /** Rows with no coefficients to place (resident particles). */
  readonly placeless: number;
}

/** The extent widened to the map's aspect: equal units along both axes, but for a stretch that fills an ill-fitting frame. */
export function boxOf(extent: Extent): Extent {
  const [width, height] = [extent.a[1] - extent.a[0], extent.b[1] - extent.b[0]];
  const [wide, high] = [Math.max(width, (height * MAP_ASPECT) / MOST_STRETCH), Math.max(height, width / MAP_ASPECT / MOST_STRETCH)];
  const centre = (range: readonly [number, number], size: number): [number, number] => {
    const middle = (range[0] + range[1]) / 2;
    return [middle - size / 2, middle + size / 2];
  };
  return { a: centre(extent.a, wide), b: centre(extent.b, high) };
}

export function swarmMap(plane: Plane, columns: readonly string[], experts: readonly string[], rows: readonly TraceRow[], width: number): SwarmMap {
  const height = width / MAP_ASPECT;
  const named = ["base", ...experts].flatMap((id) => {
    const row = modelRow(columns, id);
    return row ? [{ id, place: project(plane, row) }] : [];
  });
  const placed = rows.flatMap((row) => {
    const coefficients = rowOf(row.candidate);
    return coefficients && coefficients.length === columns.length && coefficients.every(Number.isFinite) ? [{ row, place: project(plane, coefficients) }] : [];
  });
  const box = boxOf(extentOf(named.map((n) => n.place), placed.map((p) => p.place)));
  const margin = 7; // px: a wanderer beyond the map is drawn at its rim
  const x = (place: Place) => Math.min(width - margin, Math.max(margin, ((place.a - box.a[0]) / (box.a[1] - box.a[0])) * width));
  const y = (place: Place) => Math.min(height - margin, Math.max(margin, (1 - (place.b - box.b[0]) / (box.b[1] - box.b[0])) * height));
  const furthest = Math.max(...named.map((n) => n.place.off), ...placed.filter((p) => p.row.step === 0).map((p) => p.place.off), 1e-12);

  // A row that has no place (diverged beyond numbers) leaves its dot where it last stood, and is what the dot tells.
  const latest = new Map(rows.map((row) => [row.particle, row]));
  const paths = new Map<number, typeof placed>();
  for (const p of placed) paths.set(p.row.particle, [...(paths.get(p.row.particle) ?? []), p]);
  const dots = [...paths].map(([particle, path]): MapDot => {
    const last = path[path.length - 1] as (typeof placed)[number]; // a path has at least the row that made it
    const before = path[path.length - 2] ?? last;
    const keep = path.findLast((p) => p.row.personalBest);
    return {
      particle,
      row: latest.get(particle) ?? last.row,
      model: originModel((path[0] ?? last).row.origin),
      x: x(last.place),
      y: y(last.place),
      dx: x(last.place) - x(before.place),
      dy: y(last.place) - y(before.place),
      off: Math.min(1, last.place.off / furthest),
      trail: path.slice(-10).map((p) => [x(p.place), y(p.place)] as const),
      personalBest: keep && keep !== last ? [x(keep.place), y(keep.place)] : null,
    };
  });
  const best = placed.findLast((p) => p.row.globalBest);
  const average = experts.length > 1 && experts.every((id) => columns.includes(id)) ? project(plane, averageRow(columns, experts)) : null;
  const sparse = placed.filter((p) => p.row.step === 0 && !named.some((n) => n.id === p.row.origin));
  return {
    box,
    starts: [
      ...named.map((n) => ({ id: n.id, x: x(n.place), y: y(n.place), labelled: true })),
      ...sparse.map((p) => ({ id: p.row.origin, x: x(p.place), y: y(p.place), labelled: false })),
    ],
    dots,
    average: average && { id: "average", x: x(average), y: y(average) },
    best: best ? { id: best.row.run, row: best.row, x: x(best.place), y: y(best.place) } : null,
    placeless: rows.filter((row) => rowOf(row.candidate) === null).length,
  };
}
