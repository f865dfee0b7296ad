/**
 * Fitness over the plane, coarse first: nested grids, each level halving the mesh, so nothing is probed twice.
 * Between probed points a Catmull–Rom surface is drawn; bands are d3-contour's.
 */
import { quantileSorted } from "d3-array";
import { contours } from "d3-contour";

/** Columns × rows of each level; every point of one is a point of the next. */
export const LEVELS: readonly (readonly [number, number])[] = [[6, 4], [11, 7], [21, 13]];

export interface Grid {
  readonly columns: number;
  readonly rows: number;
  /** Row-major from the top left; NaN where not probed (or diverged). */
  readonly values: readonly number[];
}

/** Points of a level in the order they are worth asking: all of a level are needed before it is drawn finer. */
export function pointsOf(level: number): { column: number; row: number; known: boolean }[] {
  const [columns, rows] = LEVELS[level] ?? [0, 0];
  const out: { column: number; row: number; known: boolean }[] = [];
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) out.push({ column, row, known: level > 0 && column % 2 === 0 && row % 2 === 0 });
  }
  return out;
}

/** The next finer grid, its new points filled in from their neighbours until they are probed. */
export function refine(grid: Grid): Grid {
  const [columns, rows] = [grid.columns * 2 - 1, grid.rows * 2 - 1];
  return { columns, rows, values: Array.from({ length: columns * rows }, (_, i) => sample(grid, (i % columns) / 2, Math.floor(i / columns) / 2)) };
}

/** Catmull–Rom through the grid at (u, v), in cells; holes take their neighbours' mean first. */
export function sample(grid: Grid, u: number, v: number): number {
  const at = (c: number, r: number): number => grid.values[clamp(r, grid.rows) * grid.columns + clamp(c, grid.columns)] ?? NaN;
  const [c, r] = [Math.floor(u), Math.floor(v)];
  const alongRow = (row: number) => spline(at(c - 1, row), at(c, row), at(c + 1, row), at(c + 2, row), u - c);
  return spline(alongRow(r - 1), alongRow(r), alongRow(r + 1), alongRow(r + 2), v - r);
}

function spline(p0: number, p1: number, p2: number, p3: number, t: number): number {
  if (t === 0) return p1;
  if (Number.isNaN(p0 + p1 + p2 + p3)) return Number.isNaN(p1) ? p2 : Number.isNaN(p2) ? p1 : p1 + (p2 - p1) * t;
  return p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)));
}

const clamp = (i: number, n: number): number => Math.min(n - 1, Math.max(0, i));

export interface Band {
  readonly value: number;
  /** SVG path, in a unit square scaled to `width × height`. */
  readonly path: string;
}

/** Filled bands from the lower quarter of the values to the highest; what lies far below is left as paper. */
export function bandsOf(grid: Grid, width: number, height: number, count = 10): Band[] {
  const fine = 6;
  const [nx, ny] = [(grid.columns - 1) * fine + 1, (grid.rows - 1) * fine + 1];
  const finite = grid.values.filter(Number.isFinite).sort((a, b) => a - b);
  if (finite.length < 4) return [];
  const low = quantileSorted(finite, 0.25) ?? 0;
  const high = finite[finite.length - 1] ?? 0;
  if (!(high - low > 1e-9)) return [];
  const floor = low - (high - low);
  const surface = Array.from({ length: nx * ny }, (_, i) => {
    const value = sample(grid, (i % nx) / fine, Math.floor(i / nx) / fine);
    return Number.isFinite(value) ? Math.max(value, floor) : floor;
  });
  const thresholds = Array.from({ length: count }, (_, k) => low + ((high - low) * k) / count);
  // d3-contour counts cell centres at +0.5; the rim is stretched over the frame.
  const sx = (x: number) => (((x - 0.5) / (nx - 1)) * width).toFixed(1);
  const sy = (y: number) => (((y - 0.5) / (ny - 1)) * height).toFixed(1);
  return contours()
    .size([nx, ny])
    .thresholds(thresholds)(surface)
    .map((shape) => ({
      value: shape.value,
      path: shape.coordinates.map((polygon) => polygon.map((ring) => `M${ring.map(([x = 0, y = 0]) => `${sx(x)},${sy(y)}`).join("L")}Z`).join("")).join(""),
    }));
}
