/** Fitness over the plane, asked point by point while nothing else runs; a run that starts cancels it. */
import type { Lab, Plane } from "../../index.ts";
import { LEVELS, pointsOf, refine, type Grid } from "../plots/contour.ts";
import { onPlane, type Extent } from "../plots/plane.ts";

/** Samples a task of one point: enough for the shape, few enough to be quick. */
export const PROBE_SAMPLES = 20;
/** A finer level is begun only when it should be done within this: idle time is not free on a small machine. */
const PATIENCE_MS = 25_000;

export class Landscape {
  grid = $state.raw<Grid | null>(null);
  box = $state.raw<Extent | null>(null);
  /** 0–1 while filling in, else null. */
  share = $state<number | null>(null);
  #turn = 0;

  clear(): void {
    this.#turn++;
    this.grid = null;
    this.box = null;
    this.share = null;
  }

  /** Stops asking; what was found stays. */
  halt(): void {
    this.#turn++;
    this.share = null;
  }

  show(grid: Grid, box: Extent): void {
    this.clear();
    this.grid = grid;
    this.box = box;
  }

  async fill(lab: Pick<Lab, "probe">, plane: Plane, box: Extent, samples: number, levels = LEVELS.length): Promise<void> {
    this.clear();
    const turn = this.#turn;
    const sizeOf = (level: number) => (LEVELS[level]?.[0] ?? 0) * (LEVELS[level]?.[1] ?? 0);
    let total = sizeOf(Math.min(1, levels - 1));
    const began = performance.now();
    this.box = box;
    this.share = 0;
    let asked = 0;
    let grid: Grid | null = null;
    for (let level = 0; level < levels; level++) {
      const [columns, rows] = LEVELS[level] ?? [0, 0];
      if (level > 1) {
        const more = ((performance.now() - began) / Math.max(1, asked)) * (sizeOf(level) - asked);
        if (more > PATIENCE_MS) break;
        total = sizeOf(level);
      }
      const values: number[] = grid ? [...refine(grid).values] : new Array<number>(columns * rows).fill(NaN);
      for (const { column, row, known } of pointsOf(level)) {
        if (known) continue;
        const a = box.a[0] + ((box.a[1] - box.a[0]) * column) / (columns - 1);
        const b = box.b[1] - ((box.b[1] - box.b[0]) * row) / (rows - 1);
        const answer = await lab.probe({ kind: "coefficients", values: onPlane(plane, a, b) }, samples).catch(() => null);
        if (turn !== this.#turn) return;
        if (answer === null) return this.halt();
        values[row * columns + column] = answer.fitness ?? NaN;
        this.share = ++asked / total;
        // The coarse level is shown whole, finer ones as their rows come in.
        if (level > 0 && column === columns - 1) this.grid = { columns, rows, values: [...values] };
      }
      grid = { columns, rows, values };
      this.grid = grid;
    }
    this.share = null;
  }
}
