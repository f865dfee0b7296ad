/**
 * A plan cut into units of work: neighbours in the output file go together until there is enough to do, a large tensor goes alone.
 * What takes longest goes first, so that no thread sits over it at the end; the rest goes in the order it lies in the files.
 */
import type { Layout } from "../checkpoint/safetensors/layout.ts";
import { LabError } from "../lib/error.ts";
import type { MergePlan, PlannedInput, PlannedTensor } from "../recipe/plan/types.ts";
import type { PlacedTensor, Unit, UnitTensor } from "../threads/streaming.ts";

/** Input bytes of a unit of small tensors. */
const UNIT_BYTES = 16 << 20;
/** A window of an input that is not kept; see src/streaming/windows.ts. */
export const WINDOW_BYTES = 4 << 20;
/** Windows of one input in memory: those that are read from, and the next. */
const WINDOWS = 3;
/** Output buffers of a unit under way. */
export const OUT_BYTES = 8 << 20;
const OUT_BUFFERS = 2;

export interface Budget {
  /** Of all buffers. */
  readonly totalBytes: number;
  /** Of each thread's executor. */
  readonly executorBytes: number;
  /** Of each thread's windows over inputs. */
  readonly inputBytes: number;
}

const LEAST_INPUT_BYTES = 16 << 20;
/** Arrays of an executor beside the inputs it keeps: chunks, masks, the output. */
const EXECUTOR_EXTRA_BYTES = 24 << 20;

export function budgetOf(totalBytes: number, threads: number): Budget {
  const executorBytes = Math.floor(totalBytes / 8 / threads);
  const inputBytes = Math.floor(totalBytes / threads) - executorBytes - EXECUTOR_EXTRA_BYTES - OUT_BUFFERS * OUT_BYTES;
  if (inputBytes < LEAST_INPUT_BYTES) throw new LabError("out-of-memory", `${Math.round(totalBytes / 2 ** 20)} MiB are too little for a merge in ${threads} threads; give it at least ${threads * 96} MiB.`);
  return { totalBytes, executorBytes, inputBytes };
}

export interface PlannedUnit extends Unit {
  readonly index: number;
  /** Of inputs, each read once. */
  readonly readBytes: number;
  readonly writeBytes: number;
  /** Of windows while it is under way. */
  readonly heldBytes: number;
}

export type PlaceOf = (input: PlannedInput) => PlacedTensor;

/** In the order to begin them. `threads`: that share them. */
export function unitsOf(plan: MergePlan, layout: Layout, placeOf: PlaceOf, budget: Budget, threads: number): PlannedUnit[] {
  const planned = new Map(plan.tensors.map((tensor) => [tensor.name, tensor]));
  const units: PlannedUnit[] = [];
  layout.files.forEach((file, at) => {
    let group: Weighed[] = [];
    const close = () => {
      if (group.length > 0) units.push(unitOf(units.length, at, group, budget));
      group = [];
    };
    for (const { name, offset, bytes } of file.tensors) {
      const one = weigh(planned.get(name) as PlannedTensor, offset, bytes, placeOf); // the layout was made of the plan
      if (sum(group, "readBytes") + one.readBytes > UNIT_BYTES) close();
      group.push(one);
    }
    close();
  });
  const share = units.reduce((total, { readBytes }) => total + readBytes, 0) / (2 * threads);
  const large = units.filter(({ readBytes }) => readBytes > share).sort((a, b) => b.readBytes - a.readBytes || a.index - b.index);
  return [...large, ...units.filter((unit) => !large.includes(unit))];
}

interface Weighed {
  readonly tensor: UnitTensor;
  readonly inputs: number;
  readonly readBytes: number;
  readonly writeBytes: number;
}

function unitOf(index: number, file: number, group: readonly Weighed[], budget: Budget): PlannedUnit {
  const readBytes = sum(group, "readBytes");
  const inputs = Math.max(...group.map((one) => one.inputs));
  // Whole windows, and one at each end that other tensors of the span begin or end in.
  const whole = readBytes + 2 * inputs * WINDOW_BYTES;
  const keep = whole <= budget.inputBytes;
  return {
    index, file, keep, readBytes, writeBytes: sum(group, "writeBytes"),
    tensors: group.map(({ tensor }) => tensor),
    heldBytes: keep ? whole : inputs * WINDOWS * WINDOW_BYTES,
  };
}

function weigh(planned: PlannedTensor, at: number, writeBytes: number, placeOf: PlaceOf): Weighed {
  const { name } = planned;
  const inputs = (planned.kind === "merge" ? planned.inputs : [planned.input, ...planned.alike]).map(placeOf);
  const readBytes = inputs.reduce((total, { bytes }) => total + bytes, 0);
  if (planned.kind === "copy") {
    const [input, ...alike] = inputs as [PlacedTensor, ...PlacedTensor[]]; // `input` comes first
    return { inputs: inputs.length, readBytes, writeBytes, tensor: { kind: "copy", name, at, dtype: planned.dtype, compute: planned.compute, input, alike } };
  }
  const { job, dtype, rows, elements, shape } = planned;
  return { inputs: inputs.length, readBytes, writeBytes, tensor: { kind: "merge", name, at, job, dtype, inputs, rows, width: elements / (shape[0] || 1) } };
}

function sum<K extends "readBytes" | "writeBytes">(group: readonly Weighed[], key: K): number {
  return group.reduce((total, one) => total + one[key], 0);
}
