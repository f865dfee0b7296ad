/**
 * A formula as WGSL over four elements side by side. The same formula serves four kernels: a pass over all elements, sums by rows,
 * sums by columns, histograms. Products are kept apart from the additions behind them (a driver may else fuse both, and round once less).
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

/** `aligned`: elements come in whole vec4 from a multiple of four on. */
export function wgslOf(plan: Plan, aligned: boolean): string {
  const at = wordCounts(plan);
  const { store, sums = [], counts = [] } = plan.formula;
  // A product with 0 or 1 is exact, fused or not.
  const summed = new Set(plan.nodes.flatMap(({ op, args }) => (op === "add" || op === "sub" ? args : [])));
  const name = (node: Expression) => `v${plan.place.get(node)}`;
  const lines = plan.nodes.map((node) => `  let ${name(node)} = ${text(node)};`);
  function text(node: Expression): string {
    const [a, b, c] = node.args.map(name);
    const slot = plan.slot.get(node) as number;
    switch (node.op) {
      case "input": return `load(${node.at}u, e)`;
      case "number": return `vec4<f32>(bitcast<f32>(words[${slot}u]))`;
      case "perRow": return `series(${at.rows}u + ${slot}u * p.rows, e / p.columns)`;
      case "perColumn": return `series(${at.rows}u + ${plan.rows.length}u * p.rows + ${slot}u * p.slice, e % p.slice)`;
      case "add": return `${a} + ${b}`;
      case "sub": return `${a} - ${b}`;
      case "mul": return summed.has(node) && !node.args.some(({ op }) => op === "flag") ? `apart(${a} * ${b})` : `${a} * ${b}`;
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
      case "inTop": return `in_top(${a}, e, ${at.cuts + 2 * slot}u)`;
      case "kept": return plan.masks[slot]?.kind === "ranked"
        ? `keep(e, ${at.masks + 5 * slot}u, chance(${slot}u, e))`
        : `keep(e, ${at.masks + 5 * slot}u, vec4<u32>(words[${at.masks + 5 * slot + 4}u]))`;
    }
  }
  const results = [
    "  store: vec4<f32>,",
    ...sums.map((_, i) => `  s${i}: vec4<f32>,`),
    ...counts.map((_, i) => `  c${i}: vec4<u32>,`),
  ];
  const made = [
    store ? name(store) : "vec4<f32>()",
    ...sums.map(name),
    ...counts.map((node) => `select(vec4<u32>(), vec4<u32>(1u), ${name(node)})`),
  ];
  const ranked = plan.masks.some(({ kind }) => kind === "ranked");
  return `${PARAMETERS}
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read> data: array<${aligned ? "vec4<f32>" : "f32"}>;
${ranked ? "@group(0) @binding(5) var<storage, read> chances: array<u32>;" : ""}
fn load(k: u32, e: vec4<u32>) -> vec4<f32> {
${aligned
    ? "  return data[(k * p.stride + (e.x - p.first)) >> 2u];"
    : "  let i = k * p.stride + (e - vec4<u32>(p.first));\n  return vec4<f32>(data[i.x], data[i.y], data[i.z], data[i.w]);"}
}
fn series(at: u32, i: vec4<u32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(vec4<u32>(words[at + i.x], words[at + i.y], words[at + i.z], words[at + i.w]));
}
fn apart(x: vec4<f32>) -> vec4<f32> {
  return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) ^ vec4<u32>(p.zero));
}
fn in_top(x: vec4<f32>, e: vec4<u32>, cut: u32) -> vec4<bool> {
  let size = bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu);
  let threshold = vec4<u32>(words[cut]);
  return (size > threshold) | ((size == threshold) & (e < vec4<u32>(words[cut + 1u])));
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
struct Made {
${results.join("\n")}
}
fn make(e: vec4<u32>) -> Made {
${lines.join("\n")}
  return Made(${made.join(", ")});
}
`;
}

/** A pass over all elements: 1,024 a workgroup, and of those one partial sum and count each, added in a fixed tree. */
export function passKernel(plan: Plan): string {
  const { store, sums = [], counts = [] } = plan.formula;
  const totals = sums.length + counts.length;
  const each = (sum: (i: number) => string, count: (i: number) => string) => [...sums.map((_, i) => sum(i)), ...counts.map((_, i) => count(i))].join("\n");
  return `${wgslOf(plan, true)}
${store ? "@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;" : ""}
${totals ? `@group(0) @binding(4) var<storage, read_write> partials: array<u32>;
var<workgroup> lanes: array<f32, 64>;
var<workgroup> tallies: array<u32, 64>;` : ""}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile = wid.x + wid.y * 65535u;
${each((i) => `  var s${i} = vec4<f32>();`, (i) => `  var c${i} = vec4<u32>();`)}
  for (var g = 0u; g < 4u; g++) {
    let e = p.begin + 1024u * tile + 4u * (lane + 64u * g) + vec4<u32>(0u, 1u, 2u, 3u);
    if (tile < p.tiles && e.x < p.end) {
      let made = make(e);
${store ? "      out[(e.x - p.begin) >> 2u] = made.store;" : ""}
${totals ? "      let real = e < vec4<u32>(p.end);" : ""}
${each((i) => `      s${i} += select(vec4<f32>(), made.s${i}, real);`, (i) => `      c${i} += select(vec4<u32>(), made.c${i}, real);`)}
    }
  }
${each(
    (i) => `  lanes[lane] = (s${i}.x + s${i}.y) + (s${i}.z + s${i}.w);
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { lanes[lane] += lanes[lane + half]; }
  }
  if (lane == 0u && tile < p.tiles) { partials[${totals}u * tile + ${i}u] = bitcast<u32>(lanes[0]); }
  workgroupBarrier();`,
    (i) => `  tallies[lane] = (c${i}.x + c${i}.y) + (c${i}.z + c${i}.w);
  for (var half = 32u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (lane < half) { tallies[lane] += tallies[lane + half]; }
  }
  if (lane == 0u && tile < p.tiles) { partials[${totals}u * tile + ${sums.length + i}u] = tallies[0]; }
  workgroupBarrier();`,
  )}
}
`;
}

/** Sums of whole rows, a workgroup each. `out`: [sums][rows in memory]. */
export function rowKernel(plan: Plan): string {
  const sums = plan.formula.sums ?? [];
  return `${wgslOf(plan, false)}
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
var<workgroup> lanes: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x + wid.y * 65535u;
${sums.map((_, i) => `  var s${i} = vec4<f32>();`).join("\n")}
  for (var i = 4u * lane; row < p.tiles && i < p.columns; i += 256u) {
    let inside = i + vec4<u32>(0u, 1u, 2u, 3u);
    let made = make(p.begin + row * p.columns + inside);
    let real = inside < vec4<u32>(p.columns);
${sums.map((_, i) => `    s${i} += select(vec4<f32>(), made.s${i}, real);`).join("\n")}
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
  const sums = plan.formula.sums ?? [];
  return `${wgslOf(plan, false)}
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let fours = (p.slice + 3u) / 4u;
  let thread = (wid.x + wid.y * 65535u) * 64u + lane;
  let group = thread / fours;
  if (group >= p.tiles) { return; }
  let columns = 4u * (thread % fours) + vec4<u32>(0u, 1u, 2u, 3u);
${sums.map((_, i) => `  var s${i} = vec4<f32>();`).join("\n")}
  for (var step = 0u; step < ${COLUMN_SLICES}u; step++) {
    let start = p.begin + (${COLUMN_SLICES}u * group + step) * p.slice;
    if (start >= p.end) { break; }
    let made = make(start + columns);
${sums.map((_, i) => `    s${i} += made.s${i};`).join("\n")}
  }
  for (var i = 0u; i < 4u && columns[i] < p.slice; i++) {
${sums.map((_, i) => `    out[(${i}u * p.tiles + group) * p.slice + columns[i]] = s${i}[i];`).join("\n")}
  }
}
`;
}

/**
 * A histogram of one half of every key, in 65,536 bins. Keys whose half is 0 (no change at all; the low half of every bfloat16) would all
 * meet in one bin: each workgroup counts its own first.
 */
export function tallyKernel(plan: Plan, signed: boolean, half: "high" | "low"): string {
  return `${wgslOf(plan, true)}
@group(0) @binding(3) var<storage, read_write> bins: array<atomic<u32>>;
var<workgroup> none: atomic<u32>;
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let tile = wid.x + wid.y * 65535u;
  var zeros = 0u;
  for (var g = 0u; g < 4u; g++) {
    let e = p.begin + 1024u * tile + 4u * (lane + 64u * g) + vec4<u32>(0u, 1u, 2u, 3u);
    if (tile < p.tiles && e.x < p.end) {
      let bits = bitcast<vec4<u32>>(make(e).store);
      let keys = ${signed ? "select(bits | vec4<u32>(0x80000000u), ~bits, (bits >> vec4<u32>(31u)) == vec4<u32>(1u))" : "bits"};
${["x", "y", "z", "w"].map((lane) => `      if (e.${lane} < p.end${half === "low" ? ` && (keys.${lane} >> 16u) == p.high` : ""}) {
        let bin = keys.${lane} ${half === "high" ? ">> 16u" : "& 0xffffu"};
        if (bin == 0u) { zeros++; } else { atomicAdd(&bins[bin], 1u); }
      }`).join("\n")}
    }
  }
  if (zeros > 0u) { atomicAdd(&none, zeros); }
  workgroupBarrier();
  if (lane == 0u && atomicLoad(&none) > 0u) { atomicAdd(&bins[0], atomicLoad(&none)); }
}
`;
}
