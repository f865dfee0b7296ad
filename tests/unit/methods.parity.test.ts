/** Every method against mergekit 0.1.5's own outputs (tests/fixtures/parity, made by tools/parity): elementwise, in all three arithmetics. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { openSafetensors, type SafetensorsCheckpoint } from "../../src/checkpoint/safetensors/open.ts";
import { bytesSource } from "../../src/checkpoint/safetensors/source.ts";
import { bf16FromF32, f32FromBf16 } from "../../src/lib/bf16.ts";
import { f16FromF32, f32FromF16 } from "../../src/lib/f16.ts";
import { CpuExecutor } from "../../src/methods/executor.cpu.ts";
import { mergeTensor } from "../../src/methods/merge.ts";
import type { Survey } from "../../src/methods/survey.ts";
import type { Dtype, TensorJob } from "../../src/methods/types.ts";
import { sourceOf } from "../fixtures/methods/jobs.ts";

const root = new URL("../fixtures/parity/", import.meta.url);

interface Step {
  readonly inputs: readonly string[];
  readonly base: string | null;
  readonly parameters: Readonly<Record<string, number | boolean>>;
  readonly perModel: Readonly<Record<string, Readonly<Record<string, number | boolean | null>>>>;
  readonly tensors: "all" | readonly (string | { readonly name: string; readonly from: Readonly<Record<string, string>> })[];
}
interface Case {
  readonly family: string;
  readonly method: string;
  readonly random?: boolean;
  readonly vocabulary?: readonly string[];
  readonly plan: readonly Step[];
}
const index = JSON.parse(readFileSync(new URL("index.json", root), "utf8")) as { cases: Record<string, Case> };

const open = (files: readonly URL[], model: string) =>
  openSafetensors(files.map((url) => ({ path: url.pathname.split("/").at(-1)!, source: bytesSource(new Uint8Array(readFileSync(url))) })), { model });
const opened = new Map<string, Promise<SafetensorsCheckpoint>>();
function member(family: string, name: string): Promise<SafetensorsCheckpoint> {
  const folder = new URL(`family/${family}/${name}/`, root);
  const key = `${family}/${name}`;
  if (!opened.has(key)) opened.set(key, open(readdirSync(folder).map((file) => new URL(file, folder)), name));
  return opened.get(key)!;
}

const rounders: Record<Dtype, (value: number) => number> = {
  float32: Math.fround,
  bfloat16: (value) => f32FromBf16(bf16FromF32(value)),
  float16: (value) => f32FromF16(f16FromF32(value)),
};
/** Distance between neighbours at this size. */
function step(value: number, dtype: Dtype): number {
  const exponent = Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126)));
  return dtype === "bfloat16" ? 2 ** (exponent - 7) : 2 ** (Math.max(exponent, -14) - 10);
}

const executor = new CpuExecutor();
async function merge(job: TensorJob, inputs: readonly Float32Array[], survey?: Survey): Promise<Float32Array> {
  const out = new Float32Array((inputs[0] as Float32Array).length);
  await mergeTensor(job, sourceOf(inputs), (from, values) => out.set(values, from), { executor, survey });
  return out;
}

/** Whether a value is as near as the goal asks. bfloat16 and float16: a unit in the last place; float32: 2e-6·max(1, |w|). */
const near = (got: number, wanted: number, dtype: Dtype) =>
  dtype === "float32" ? Math.abs(got - wanted) <= 2e-6 * Math.max(1, Math.abs(wanted)) : Math.abs(got - wanted) <= step(wanted, dtype) * 1.001;

/** Elements that are off though they are none on a threshold, and those on one. */
async function compare(job: TensorJob, inputs: readonly Float32Array[], wanted: Float32Array, dtype: Dtype): Promise<{ off: string[]; onThreshold: number }> {
  const round = rounders[dtype];
  const got = (await merge(job, inputs)).map(round);
  const strange = [...got.keys()].filter((i) => !near(got[i]!, wanted[i]!, dtype));
  if (strange.length === 0) return { off: [], onThreshold: 0 };
  const legal = job.method === "sce" ? [await inTheirOrder(job, inputs, wanted)]
    : job.method === "arcee_fusion" ? fusions(inputs as [Float32Array, Float32Array], job.shape.at(-1)!)
    : await legalValues(job, inputs);
  const off = strange.filter((i) => !legal.some((values) => near(round(values[i]!), wanted[i]!, dtype)));
  return { off: off.map((i) => `${job.name}[${i}]: ${got[i]} instead of ${wanted[i]}`), onThreshold: strange.length - off.length };
}

/** How many of the largest a cut keeps: one cut, or two for both tails. */
function countsOf({ method }: TensorJob, parameters: Readonly<Record<string, number | boolean>>, length: number): number[] {
  const stay = Math.floor((parameters["density"] as number) * length);
  const least = Math.max(0, length - stay - Math.floor(((parameters["gamma"] as number | undefined) ?? 0.01) * length));
  return method === "ties" ? [Math.max(1, stay)] : [length - least, length - least - stay];
}

/** sce's one mask, seen in the output: with the elements that were taken in front, ours takes the same among equals. */
async function inTheirOrder(job: TensorJob, inputs: readonly Float32Array[], wanted: Float32Array): Promise<Float32Array> {
  const base = inputs[job.base!]!;
  const order = [...base.keys()].sort((a, b) => Number(wanted[a] === base[a]) - Number(wanted[b] === base[b]) || a - b);
  const laid = await merge({ ...job, shape: [base.length] }, inputs.map((values) => values.map((_, i) => values[order[i]!]!)));
  const values = new Float32Array(base.length);
  order.forEach((from, i) => (values[from] = laid[i]!));
  return values;
}

/** arcee_fusion's threshold hangs on a divergence that is little more than what f32 made of it: 2e-6 either way of it both are right. */
function fusions(inputs: readonly [Float32Array, Float32Array], columns: number): Float32Array[] {
  const [base, other] = inputs;
  const chances = (values: Float32Array, row: number) => {
    const powers = [...values.subarray(row * columns, (row + 1) * columns)].map(Math.exp);
    const total = powers.reduce((so, power) => so + power, 0);
    return powers.map((power) => power / total + 1e-8);
  };
  const change = base.map((value, i) => Math.abs(other[i]! - value));
  const rows = Array.from({ length: base.length / columns }, (_, row) => {
    const q = chances(base, row);
    return chances(other, row).reduce((so, p, i) => so + p * Math.log(p / q[i]!), 0);
  });
  const importance = change.map((size, i) => size * rows[Math.floor(i / columns)]!);
  const sorted = importance.toSorted();
  const [low, middle, high] = [0.25, 0.5, 0.75].map((quarter) => sorted[Math.trunc(quarter * (sorted.length - 1))]!) as [number, number, number];
  const threshold = middle + 1.5 * (high - low);
  const open = (i: number) => Math.abs(importance[i]! - threshold) <= 2e-6 * change[i]! + 1e-5 * threshold;
  return [base.map((value, i) => (open(i) ? value : NaN)), other.map((value, i) => (open(i) ? value : NaN))];
}

/** The merge with the elements on each model's threshold all kept, or none: what any choice among equals may give. */
async function legalValues(job: TensorJob, inputs: readonly Float32Array[]): Promise<Float32Array[]> {
  if (!["ties", "breadcrumbs", "breadcrumbs_ties"].includes(job.method)) return [];
  const length = inputs[0]!.length;
  const round = rounders[job.dtype ?? "float32"];
  const cuts = job.inputs.map(({ parameters }, i) => {
    if (i === job.base) return [];
    const sizes = inputs[i]!.map((value, e) => Math.abs(round(round(value) - round(inputs[job.base!]![e]!)))).sort().reverse();
    const bits = new Uint32Array(sizes.buffer);
    return countsOf(job, parameters, length).map((count) => (count === 0 ? 0x7fffffff : bits[count - 1]!));
  });
  // With exactly as many kept as there should be, whichever they are.
  const norms = job.inputs.map(({ parameters }, i) => {
    if (i === job.base) return null;
    const sizes = inputs[i]!.map((value, e) => Math.abs(round(round(value) - round(inputs[job.base!]![e]!)))).sort().reverse();
    const [most, least = 0] = countsOf(job, parameters, length);
    const sum = (values: Float32Array) => values.reduce((so, value) => so + value, 0);
    return { dense: sum(sizes), kept: sum(sizes.subarray(least, most)) };
  });
  const values: Float32Array[] = [];
  const choices = cuts.flat().length;
  for (let choice = 0; choice < 2 ** choices; choice++) {
    let bit = 0;
    const survey: Survey = { ranks: [], norms, cuts: cuts.map((list) => list.map((threshold) => ({ threshold, below: new Map([[job.name, (choice >> bit++) & 1 ? 0xffffffff : 0]]) }))) };
    values.push(await merge({ ...job, parameters: { ...job.parameters, scope: "model" } }, inputs, survey));
  }
  return values;
}

// Vocabularies are laid anew before a method sees them, and random masks are our own: those are tested where they are made.
const comparable = Object.entries(index.cases).filter(([, one]) => !one.random && !one.vocabulary);

describe("mergekit 0.1.5 gives the same", () => {
  test("there is something to compare", () => expect(comparable.length).toBeGreaterThan(90));

  test.each(comparable)("%s", async (name, { family, method, plan }) => {
    const written = parse(readFileSync(new URL(`${name}.yml`, root), "utf8")) as { dtype?: Dtype; out_dtype?: Dtype };
    const dtype = written.dtype ?? (family as Dtype);
    const out = written.out_dtype ?? dtype;
    const expected = await open([new URL(`${name}.safetensors`, root)], name);
    let compared = 0, onThreshold = 0, elements = 0;
    const off: string[] = [];
    for (const { inputs, base, parameters, perModel, tensors } of plan) {
      const listed = tensors === "all" ? expected.tensors.map((tensor) => tensor.name) : tensors;
      for (const entry of listed) {
        const tensor = typeof entry === "string" ? entry : entry.name;
        const stored = expected.get(tensor);
        if (!stored) continue; // a part of the output is kept as a fixture
        const values: Float32Array[] = [];
        for (const input of inputs) values.push(await (await member(family, input)).readF32((typeof entry === "string" ? undefined : entry.from[input]) ?? tensor));
        const own = (id: string) => Object.fromEntries(Object.entries(perModel[id] ?? {}).filter((pair): pair is [string, number | boolean] => pair[1] !== null));
        const job: TensorJob = {
          method, name: tensor, shape: stored.shape, seed: 1, dtype, base: base === null ? null : inputs.indexOf(base), parameters,
          inputs: inputs.map((id) => ({ id, parameters: id === base && method !== "linear" ? {} : own(id) })),
        };
        const found = await compare(job, values, await expected.readF32(tensor), out);
        off.push(...found.off);
        onThreshold += found.onThreshold;
        elements += stored.elements;
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(0);
    if (onThreshold > 0) console.info(`${name}: ${onThreshold} of ${elements} elements lie on a threshold and have their other legal value`);
    expect(off.slice(0, 5), `${off.length} of ${elements}`).toEqual([]);
  });
});
