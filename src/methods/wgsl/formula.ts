/**
 * A formula as WGSL over four elements side by side. The same formula serves a few kernels: a pass over all elements, sums by rows, sums by
 * columns, histograms. Products are kept apart from the additions behind them (a driver may else fuse both, and round once less). A thread does
 * several fours, and what is the same for all of them is read before the first: adapters in software do not move it there themselves.
 */
import type { Expression, Plan } from "../expression.ts";

/** Words of the storage buffer `words`, in this order: numbers, cuts (2 each), masks (5 each), per-row numbers, columns. */
export function wordCounts(plan: Plan) {
  const cuts = plan.numbers.length;
  const masks = cuts + 2 * plan.cuts.length;
  return { cuts, masks, rows: masks + 5 * plan.masks.length };
}

export const PARAMETERS = /* wgsl */ `
struct Parameters {
  begin: u32, // index in the tensor of the first element to do
  end: u32, // behind the last
  first: u32, // of the first element in memory
  stride: u32, // f32 an input in memory
  columns: u32, // along the last dimension
  slice: u32, // elements a step along the first dimension
  rows: u32, // in the tensor
  high: u32, // of the keys a histogram counts
  tiles: u32, // workgroups that have work
  zero: u32, // 0; a compiler cannot know
  padded: u32, // a power of two that holds a row
  rank_row: u32, // first row to rank, of those in memory
  chances: u32, // where the chances of this mask begin
}
@group(0) @binding(0) var<uniform> p: Parameters;
`;

/** Elements a workgroup of a pass does. */
export const TILE = 4096;

interface Text {
  /** Declarations before `main`. */
  readonly head: string;
  /** At the beginning of `main`. */
  readonly once: string;
  /** For the elements `e`, a vec4<u32>. */
  readonly lines: string;
  readonly store: string;
  readonly sums: readonly string[];
  /** As vec4<u32> of 0 and 1. */
  readonly counts: readonly string[];
}

/** `aligned`: elements come in whole vec4 from a multiple of four on. */
function textOf(plan: Plan, aligned: boolean): Text {
  const at = wordCounts(plan);
  const { store, sums = [], counts = [] } = plan.formula;
  // A product with 0 or 1 is exact, fused or not.
  const summed = new Set(plan.nodes.flatMap(({ op, args }) => (op === "add" || op === "sub" ? args : [])));
  const name = (node: Expression) => (node.op === "number" ? `number${plan.slot.get(node)}` : `v${plan.place.get(node)}`);
  const lines = plan.nodes.filter(({ op }) => op !== "number").map((node) => `let ${name(node)} = ${text(node)};`);
  function text(node: Expression): string {
    const [a, b, c] = node.args.map(name);
    const slot = plan.slot.get(node) as number;
    switch (node.op) {
      case "number": return "";
      case "input": return aligned ? `data[here + input${node.at}]` : `load(${node.at}u, e)`;
      case "perRow": return `series(${at.rows}u + ${slot}u * p.rows, e / p.columns)`;
      case "perColumn": return `series(${at.rows}u + ${plan.rows.length}u * p.rows + ${slot}u * p.slice, e % p.slice)`;
      case "add": return `${a} + ${b}`;
      case "sub": return `${a} - ${b}`;
      case "mul": return summed.has(node) && !node.args.some(({ op }) => op === "flag") ? `apart(${a} * ${b}, zero)` : `${a} * ${b}`;
      case "div": return `${a} / ${b}`;
      case "min": return `min(${a}, ${b})`;
      case "max": return `max(${a}, ${b})`;
      case "abs": return `abs(${a})`;
      case "flag": return `select(vec4<f32>(), vec4<f32>(1.0), ${a})`;
      case "select": return `select(${c}, ${b}, ${a})`;
      case "bf16": return `bf16(${a})`;
      case "f16": return `f16_(${a})`;
      case "gt": return `${a} > ${b}`;
      case "ge": return `${a} >= ${b}`;
      case "eq": return `${a} == ${b}`;
      case "and": return `${a} & ${b}`;
      case "or": return `${a} | ${b}`;
      case "not": return `!${a}`;
      case "differ": return `bitcast<vec4<u32>>(${a}) != bitcast<vec4<u32>>(${b})`;
      case "finite": return `(bitcast<vec4<u32>>(${a}) & vec4<u32>(0x7f800000u)) != vec4<u32>(0x7f800000u)`;
      case "inTop": return `in_top(${a}, e, threshold${slot}, below${slot})`;
      case "kept": return plan.masks[slot]?.kind === "ranked"
        ? `keep(e, ${at.masks + 5 * slot}u, chance(${slot}u, e))`
        : `keep(e, ${at.masks + 5 * slot}u, vec4<u32>(words[${at.masks + 5 * slot + 4}u]))`;
    }
  }
  const ranked = plan.masks.some(({ kind }) => kind === "ranked");
  return {
    head: `${PARAMETERS}
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> data: array<${aligned ? "vec4<f32>" : "f32"}>;
${ranked ? "@group(0) @binding(5) var<storage, read> chances: array<u32>;" : ""}
${aligned ? "" : `fn load(k: u32, e: vec4<u32>) -> vec4<f32> {
  let i = k * p.stride + (e - vec4<u32>(p.first));
  return vec4<f32>(data[i.x], data[i.y], data[i.z], data[i.w]);
}`}
fn series(at: u32, i: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4<u32>(words[at + i.x], words[at + i.y], words[at + i.z], words[at + i.w]));
}
fn apart(x: vec4<f32>, zero: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ zero);
}
fn in_top(x: vec4<f32>, e: vec4<u32>, threshold: vec4<u32>, below: vec4<u32>) -> vec4<bool> {
  let size = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
  return (size > threshold) | ((size == threshold) & (e < below));
}
fn keep(e: vec4<u32>, mask: u32, below: vec4<u32>) -> vec4<bool> {
  let name = vec2<u32>(words[mask], words[mask + 1u]);
  let key = vec2<u32>(words[mask + 2u], words[mask + 3u]);
  var drawn = philox(vec4<u32>(e.x >> 2u, name, 0x4d41534bu), key);
  if ((e.x & 3u) != 0u) {
    let next = philox(vec4<u32>((e.x >> 2u) + 1u, name, 0x4d41534bu), key);
    for (var i = 0u; i < 4u; i++) {
      let word = (e.x & 3u) + i;
      if (word < 4u) { drawn[i] = drawn[word]; } else { drawn[i] = next[word - 4u]; }
    }
  }
  return (drawn >> vec4<u32>(8u)) < below;
}
${ranked ? "fn chance(k: u32, e: vec4<u32>) -> vec4<u32> {\n  let i = k * p.stride + (e - vec4<u32>(p.first));\n  return vec4<u32>(chances[i.x], chances[i.y], chances[i.z], chances[i.w]);\n}" : ""}
fn bf16(x: vec4<f32>) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(x);
  let rounded = (bits + vec4<u32>(0x7fffu) + ((bits >> vec4<u32>(16u)) & vec4<u32>(1u))) & vec4<u32>(0xffff0000u);
  return bitcast<vec4<f32>>(select(rounded, bits, (bits & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u)));
}
fn f16_(x: vec4<f32>) -> vec4<f32> {
  let bits = bitcast<vec4<u32>>(x);
  let size = bits & vec4<u32>(0x7fffffffu);
  var out = (size + vec4<u32>(0xfffu) + ((size >> vec4<u32>(13u)) & vec4<u32>(1u))) & vec4<u32>(0xffffe000u);
  out = select(out, vec4<u32>(0x7f800000u), size > vec4<u32>(0x477fefffu));
  // Below 2⁻¹⁴ in steps of 2⁻²⁴, ties to even.
  let steps = round(bitcast<vec4<f32>>(min(size, vec4<u32>(0x38800000u))) * 16777216.0);
  out = select(out, bitcast<vec4<u32>>(steps * 0.000000059604644775390625), size < vec4<u32>(0x38800000u));
  return bitcast<vec4<f32>>(select(out | (bits & vec4<u32>(0x80000000u)), bits, size > vec4<u32>(0x7f800000u)));
}
`,
    once: [
      "let zero = vec4<u32>(p.zero);",
      ...(aligned ? plan.inputs.map((input) => `let input${input} = ${input}u * (p.stride >> 2u);`) : []),
      ...plan.numbers.map((_, i) => `let number${i} = vec4<f32>(bitcast<f32>(words[${i}u]));`),
      ...plan.cuts.flatMap((_, i) => [`let threshold${i} = vec4<u32>(words[${at.cuts + 2 * i}u]);`, `let below${i} = vec4<u32>(words[${at.cuts + 2 * i + 1}u]);`]),
    ].join("\n  "),
    lines: [...(aligned ? ["let here = (e.x - p.first) >> 2u;"] : []), ...lines].join("\n      "),
    store: store ? name(store) : "vec4<f32>()",
    sums: sums.map(name),
    counts: counts.map((node) => `select(vec4<u32>(), vec4<u32>(1u), ${name(node)})`),
  };
}

/** The fours of a tile, one after the other: `inside` runs for each that begins before the end, with its elements in `e`. */
function eachFour(inside: string): string {
  return `for (var g = 0u; g < ${TILE / 256}u; g++) {
    let e = p.begin + ${TILE}u * tile + 4u * (lane + 64u * g) + vec4<u32>(0u, 1u, 2u, 3u);
    if (tile < p.tiles && e.x < p.end) {
      ${inside}
    }
  }`;
}

/** Sums that are added up together: a barrier costs as much as hundreds of additions, and their lanes must fit a workgroup's memory. */
const SUMS_AT_ONCE = 16;

/** A pass over all elements: a tile a workgroup, and of each one partial sum and count, sums added in a fixed tree. */
export function passKernel(plan: Plan): string {
  const { head, once, lines, store, sums, counts } = textOf(plan, true);
  const totals = sums.length + counts.length;
  const each = (sum: (i: number) => string, count: (i: number) => string) => [...sums.map((_, i) => sum(i)), ...counts.map((_, i) => count(i))].join("\n");
  const groups = Array.from({ length: Math.ceil(sums.length / SUMS_AT_ONCE) }, (_, g) => sums.map((_, i) => i).slice(g * SUMS_AT_ONCE, (g + 1) * SUMS_AT_ONCE));
  return `${head}
${plan.formula.store ? "@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;" : ""}
${totals ? "@group(0) @binding(4) var<storage, read_write> partials: array<u32>;" : ""}
${sums.length ? `var<workgroup> lanes: array<f32, ${64 * Math.min(sums.length, SUMS_AT_ONCE)}>;` : ""}
${counts.length ? `var<workgroup> tallies: array<atomic<u32>, ${counts.length}>;` : ""}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile = wid.x + wid.y * 65535u;
  ${once}
${each((i) => `  var s${i} = vec4<f32>();`, (i) => `  var c${i} = vec4<u32>();`)}
  ${eachFour(`${lines}
${plan.formula.store ? `      out[(e.x - p.begin) >> 2u] = ${store};` : ""}
${totals ? `      if (e.w < p.end) {
${each((i) => `        s${i} += ${sums[i]};`, (i) => `        c${i} += ${counts[i]};`)}
      } else {
        let real = e < vec4<u32>(p.end);
${each((i) => `        s${i} += select(vec4<f32>(), ${sums[i]}, real);`, (i) => `        c${i} += select(vec4<u32>(), ${counts[i]}, real);`)}
      }` : ""}`)}
${counts.map((_, i) => `  if (any(c${i} > vec4<u32>())) { atomicAdd(&tallies[${i}], (c${i}.x + c${i}.y) + (c${i}.z + c${i}.w)); }`).join("\n")}
${groups.map((group) => `${group.map((i, at) => `  lanes[${64 * at}u + lane] = (s${i}.x + s${i}.y) + (s${i}.z + s${i}.w);`).join("\n")}
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) {
${group.map((_, at) => `      lanes[${64 * at}u + lane] += lanes[${64 * at}u + lane + half];`).join("\n")}
    }
  }
  if (lane == 0u && tile < p.tiles) {
${group.map((i, at) => `    partials[${totals}u * tile + ${i}u] = bitcast<u32>(lanes[${64 * at}]);`).join("\n")}
  }
  workgroupBarrier();`).join("\n")}
${counts.length ? `  workgroupBarrier();
  if (lane == 0u && tile < p.tiles) {
${counts.map((_, i) => `    partials[${totals}u * tile + ${sums.length + i}u] = atomicLoad(&tallies[${i}]);`).join("\n")}
  }` : ""}
}
`;
}

/** Sums of whole rows, a workgroup each. `out`: [sums][rows in memory]. */
export function rowKernel(plan: Plan): string {
  const { head, once, lines, sums } = textOf(plan, false);
  return `${head}
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
var<workgroup> lanes: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x + wid.y * 65535u;
  ${once}
${sums.map((_, i) => `  var s${i} = vec4<f32>();`).join("\n")}
  for (var i = 4u * lane; row < p.tiles && i < p.columns; i += 256u) {
    let inside = i + vec4<u32>(0u, 1u, 2u, 3u);
    let e = p.begin + row * p.columns + inside;
      ${lines}
    let real = inside < vec4<u32>(p.columns);
${sums.map((sum, i) => `    s${i} += select(vec4<f32>(), ${sum}, real);`).join("\n")}
  }
${sums.map((_, i) => `  lanes[lane] = (s${i}.x + s${i}.y) + (s${i}.z + s${i}.w);
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { lanes[lane] += lanes[lane + half]; }
  }
  if (lane == 0u && row < p.tiles) { out[${i}u * p.tiles + row] = lanes[0]; }
  workgroupBarrier();`).join("\n")}
}
`;
}

/** Slices along the first dimension that are added up in f32 before f64 takes over. */
export const COLUMN_SLICES = 256;

/** Sums of columns over up to 256 slices, four columns a thread. `out`: [sums][groups of slices][slice]. */
export function columnKernel(plan: Plan): string {
  const { head, once, lines, sums } = textOf(plan, false);
  return `${head}
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let fours = (p.slice + 3u) / 4u;
  let thread = (wid.x + wid.y * 65535u) * 64u + lane;
  let group = thread / fours;
  if (group >= p.tiles) { return; }
  let columns = 4u * (thread % fours) + vec4<u32>(0u, 1u, 2u, 3u);
  ${once}
${sums.map((_, i) => `  var s${i} = vec4<f32>();`).join("\n")}
  for (var step = 0u; step < ${COLUMN_SLICES}u; step++) {
    let start = p.begin + (${COLUMN_SLICES}u * group + step) * p.slice;
    if (start >= p.end) { break; }
    let e = start + columns;
      ${lines}
${sums.map((sum, i) => `    s${i} += ${sum};`).join("\n")}
  }
  for (var i = 0u; i < 4u && columns[i] < p.slice; i++) {
${sums.map((_, i) => `    out[(${i}u * p.tiles + group) * p.slice + columns[i]] = s${i}[i];`).join("\n")}
  }
}
`;
}

/** Of a tile and what follows it so many elements are looked at by one workgroup, the first 256. */
export const SAMPLED_OF = 8192;

function firstFours(inside: string): string {
  return `let e = p.begin + ${SAMPLED_OF}u * tile + 4u * lane + vec4<u32>(0u, 1u, 2u, 3u);
  if (tile < p.tiles && e.x < p.end) {
      ${inside}
  }`;
}

/**
 * A histogram of one half of every key, in 65,536 bins. Keys whose half is 0 (no change at all; the low half of every bfloat16) would all
 * meet in one bin: each workgroup counts its own first.
 */
export function tallyKernel(plan: Plan, signed: boolean, half: "high" | "low" | "sampled"): string {
  const { head, once, lines, store } = textOf(plan, true);
  return `${head}
@group(0) @binding(3) var<storage, read_write> bins: array<atomic<u32>>;
var<workgroup> none: atomic<u32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile = wid.x + wid.y * 65535u;
  ${once}
  var zeros = 0u;
  ${(half === "sampled" ? firstFours : eachFour)(`${lines}
      let bits = bitcast<vec4<u32>>(${store});
      let keys = ${keysOf(signed)};
${LANES.map((lane) => `      if (e.${lane} < p.end${half === "low" ? ` && (keys.${lane} >> 16u) == p.high` : ""}) {
        let bin = keys.${lane} ${half === "low" ? "& 0xffffu" : ">> 16u"};
        if (bin == 0u) { zeros++; } else { atomicAdd(&bins[bin], 1u); }
      }`).join("\n")}`)}
  if (zeros > 0u) { atomicAdd(&none, zeros); }
  workgroupBarrier();
  if (lane == 0u && atomicLoad(&none) > 0u) { atomicAdd(&bins[0], atomicLoad(&none)); }
}
`;
}

/**
 * Histograms of the few keys between bounds, and how many lie above, of several expressions that are never negative; zeros are not counted. `bins`:
 * a count above a bracket, then the bins of each, one a key (`shift` 16: of the upper half).
 */
export function bracketKernel(plan: Plan, brackets: readonly { readonly sum: number; readonly shift: number }[]): string {
  const { head, once, lines, sums } = textOf(plan, true);
  const word = (i: number, field: number) => `bounds[${3 * i + field}u]`;
  return `${head}
@group(0) @binding(3) var<storage, read_write> bins: array<atomic<u32>>;
@group(0) @binding(5) var<storage, read> bounds: array<u32>; // lowest key, behind the highest, what is added to a key for its bin
var<workgroup> above: array<atomic<u32>, ${brackets.length}>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile = wid.x + wid.y * 65535u;
  ${once}
${brackets.map((_, i) => `  let low${i} = vec4<i32>(i32(${word(i, 0)}));
  let high${i} = vec4<i32>(i32(${word(i, 1)}));
  let bin${i} = i32(${word(i, 2)});
  var above${i} = vec4<i32>();`).join("\n")}
  ${eachFour(`${lines}
      // Behind the end: zeros, which are in no bracket.
      let real = select(vec4<i32>(), vec4<i32>(-1), e < vec4<u32>(p.end));
${brackets.map(({ sum, shift }, i) => `      {
        let keys = bitcast<vec4<i32>>(${sums[sum]}) & real;
        above${i} += select(vec4<i32>(), vec4<i32>(1), keys >= high${i});
        let inside = (keys >= low${i}) & (keys < high${i});
        if (any(inside)) {
${LANES.map((lane) => `          if (inside.${lane}) { atomicAdd(&bins[bin${i} + (keys.${lane} >> ${shift}u)], 1u); }`).join("\n")}
        }
      }`).join("\n")}`)}
${brackets.map((_, i) => `  if (any(above${i} > vec4<i32>())) { atomicAdd(&above[${i}], u32(above${i}.x + above${i}.y + above${i}.z + above${i}.w)); }`).join("\n")}
  workgroupBarrier();
  if (lane < ${brackets.length}u) {
    let count = atomicLoad(&above[lane]);
    if (count > 0u) { atomicAdd(&bins[lane], count); }
  }
}
`;
}

const LANES = ["x", "y", "z", "w"] as const;

/** In the order of the numbers; where they are never negative their bits are. */
const keysOf = (signed: boolean) => (signed ? "select(bits | vec4<u32>(0x80000000u), ~bits, (bits >> vec4<u32>(31u)) == vec4<u32>(1u))" : "bits");
