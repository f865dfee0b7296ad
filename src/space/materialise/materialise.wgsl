// w = Σ_d c_d · direction_d, a part of one tensor a dispatch. `materialise.ts` fills in the words in capitals: how many
// terms there are, and GRAIN neighbouring vec4 a thread (one where threads read side by side; eight, a whole mask word,
// where a thread is a loop on a CPU). Coefficients lie at fixed places of the uniforms: no look-up an element.
struct Term {
  delta: u32, // first vec4 of the dense direction in `deltas`
  plane: u32, // first word of its mask
  whole: f32, // coefficient where the mask has 0, or where there is none
  kept: f32, // and where it has 1
}
struct Low {
  left: u32, // as `lowRank` takes them; no vec4 in a row: the part is left alone
  right: u32,
  groups: u32,
  plane: u32, // as of a term, like the two coefficients
  whole: f32,
  kept: f32,
  unused: vec2<u32>, // 32 bytes in uniforms
}
struct Part {
  at: u32, // first vec4 of the part in its slab
  count: u32, // elements
  shift: u32, // vec4 of the slab that lies at the start of `weights`
  base: f32,
  terms: array<Term, TERMS>,
  LOWS
}
@group(0) @binding(0) var<uniform> part: Part;
@group(0) @binding(1) var<storage, read> base: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> deltas: array<DELTA>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read_write> weights: array<OUT>;
@group(0) @binding(5) var<storage, read_write> spoilt: atomic<u32>;
@group(0) @binding(6) var<storage, read> factors: array<vec4<f32>>;

// Halves by shifting: the exponent is left 112 too small, which the coefficient makes good. Wrong for NaN and infinity.
fn shifted(halves: vec2<u32>) -> vec4<f32> {
  let low = bitcast<vec2<i32>>(halves << vec2<u32>(16u));
  let high = bitcast<vec2<i32>>(halves);
  return bitcast<vec4<f32>>((vec4<i32>(low.x, high.x, low.y, high.y) >> vec4<u32>(3u)) & vec4<i32>(bitcast<i32>(0x8fffe000u)));
}

fn unpack(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

// A product that is 0 where the coefficient is, whatever it multiplies.
fn careful(c: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
  return select(c * d, vec4<f32>(), c == vec4<f32>());
}

fn pick(term: vec2<f32>, bits: vec4<u32>) -> vec4<f32> {
  return select(vec4<f32>(term.x), vec4<f32>(term.y), bits != vec4<u32>());
}

// LOWRANK

fn unfinite(w: vec4<f32>) -> bool {
  // By the exponent: `x != x` may be folded away.
  return any((bitcast<vec4<u32>>(w) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
}

fn store(i: u32, left: u32, w: vec4<f32>) {
  STORE
}

fn put(i: u32, left: u32, w: vec4<f32>) {
  store(i, left, w);
  if (unfinite(w)) { atomicOr(&spoilt, 1u); }
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = GRAINu * ((wid.x + wid.y * 65535u) * 128u + lane);
  if (4u * first >= part.count) { return; }
  let i = part.at + first;
  SUM
  // Past the part's end lies other data: read in vain, never written.
  let at = i - part.shift;
  let left = part.count - 4u * first;
  if (left >= 4u * GRAINu) {
    WHOLE
    return;
  }
  REST
}
