/**
 * The plane a swarm is drawn on: the two principal axes of base and experts (their Gram matrix is all that is needed),
 * or two experts' task vectors made orthogonal. Everything is coefficients; no weight is touched.
 */
import { LabError } from "../lib/error.ts";
import type { Plane } from "../threads/events.ts";

interface Setting {
  columns: readonly string[];
  /** Columns of the experts' task vectors. */
  experts: readonly number[];
  /** Gram matrix over columns, row-major. */
  gram: Float64Array;
}

/** Null when fewer than two directions differ. */
export function planeOf(setting: Setting, axes: readonly [string, string] | null): Plane | null {
  const frame = axes ? namedFrame(setting, axes) : principalFrame(setting);
  if (!frame) return null;
  const { origin, e1, e2, names } = frame;
  return { columns: [...setting.columns], origin: [...origin], e1: [...e1], e2: [...e2], axes: names, gram: [...setting.gram] };
}

interface Frame {
  origin: Float64Array;
  e1: Float64Array;
  e2: Float64Array;
  names: [string, string];
}

function namedFrame(setting: Setting, axes: readonly [string, string]): Frame | null {
  const rows = axes.map((axis) => {
    const column = setting.columns.indexOf(axis);
    if (column < 1) throw new LabError("bad-arguments", `There is no direction called ${axis}; there are ${setting.columns.slice(1).join(", ")}.`);
    return unit(setting.columns.length, column);
  });
  const e1 = normalised(setting, rows[0]);
  const e2 = e1 && normalised(setting, minus(rows[1], e1, inner(setting, rows[1], e1)));
  return e1 && e2 && { origin: average(setting), e1, e2, names: [`towards ${axes[0]}`, `towards ${axes[1]}`] };
}

/** Principal axes of the points base, expert 1, … around their mean, by power iteration on their inner products. */
function principalFrame(setting: Setting): Frame | null {
  const width = setting.columns.length;
  const base = unit(width, 0);
  const points = [base, ...setting.experts.map((column) => plus(base, unit(width, column)))];
  const mean = points.reduce((sum, point) => plus(sum, point), new Float64Array(width)).map((value) => value / points.length);
  const centred = points.map((point) => minus(point, mean, 1));
  let kernel = centred.map((a) => centred.map((b) => inner(setting, a, b)));
  const axes: Float64Array[] = [];
  for (let k = 0; k < 2; k++) {
    const { vector, value } = leading(kernel);
    const row = centred.reduce((sum, point, i) => minus(sum, point, -vector[i]), new Float64Array(width));
    const axis = normalised(setting, row);
    if (!axis || !(value > 0)) return null;
    axes.push(axis);
    kernel = kernel.map((line, i) => line.map((entry, j) => entry - value * vector[i] * vector[j]));
  }
  const [first, second] = axes.map((axis) => nameOf(setting, axis, centred.slice(1)));
  // Few experts may lead both ways: then the second axis is named by what lies at its other end.
  const other = first === second ? nameOf(setting, axes[1].map((entry) => -entry), centred.slice(1)) : null;
  if (other) axes[1] = axes[1].map((entry) => -entry);
  const names: [string, string] = [first, other ?? second];
  return { origin: mean, e1: axes[0], e2: axes[1], names };
}

/** Largest eigenvalue and its eigenvector of a symmetric matrix; the start is fixed, so the answer repeats. */
function leading(matrix: readonly number[][]): { vector: number[]; value: number } {
  let vector = matrix.map((_, i) => 1 + 0.37 * i * (i % 2 === 0 ? 1 : -1));
  let value = 0;
  for (let iteration = 0; iteration < 500; iteration++) {
    const next = matrix.map((line) => line.reduce((sum, entry, j) => sum + entry * vector[j], 0));
    value = Math.sqrt(next.reduce((sum, entry) => sum + entry * entry, 0));
    if (!(value > 0)) break;
    vector = next.map((entry) => entry / value);
  }
  const largest = vector.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  return { vector: largest < 0 ? vector.map((entry) => -entry) : vector, value };
}

/** The one or two experts that lie furthest along an axis. */
function nameOf(setting: Setting, axis: Float64Array, experts: readonly Float64Array[]): string {
  const reach = experts.map((point, i) => ({ id: setting.columns[setting.experts[i]], at: inner(setting, point, axis) }));
  reach.sort((a, b) => b.at - a.at);
  const [first, second] = reach;
  return second && second.at > 0.6 * first.at ? `towards ${first.id} and ${second.id}` : `towards ${first.id}`;
}

function average(setting: Setting): Float64Array {
  const row = unit(setting.columns.length, 0);
  for (const column of setting.experts) row[column] = 1 / setting.experts.length;
  return row;
}

function unit(length: number, at: number): Float64Array {
  const row = new Float64Array(length);
  row[at] = 1;
  return row;
}

const plus = (a: Float64Array, b: Float64Array) => a.map((value, i) => value + b[i]);
const minus = (a: Float64Array, b: Float64Array, times: number) => a.map((value, i) => value - times * b[i]);

/** ⟨a, b⟩ of the weights that two coefficient rows stand for. */
function inner({ gram }: Setting, a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) for (let j = 0; j < b.length; j++) sum += a[i] * b[j] * gram[i * b.length + j];
  return sum;
}

function normalised(setting: Setting, row: Float64Array): Float64Array | null {
  const squared = inner(setting, row, row);
  if (!(squared > 1e-20)) return null;
  return row.map((value) => value / Math.sqrt(squared));
}
