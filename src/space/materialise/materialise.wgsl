// w = Σ_d c_d · direction_d, a tile a workgroup: four vec4 a thread, 64 vec4 apart. `materialise.ts` fills in the words
// in capitals: DELTA (vec4<f32>, or two words of halves), OUT (vec4<f32>, or f32 where a tensor's
// length is no multiple of 4), and one block a direction.
struct Part {
  first_tile: u32,
  tiles: u32,
  shift: u32, // vec4 of the slab that lies at the start of `weights`
  stride: u32, // vec4 in a slab
}
@group(0) @binding(0) var<uniform> part: Part;
@group(0) @binding(1) var<storage, read> base: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> deltas: array<DELTA>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read> table: array<f32>;
@group(0) @binding(6) var<storage, read_write> weights: array<OUT>;
@group(0) @binding(7) var<storage, read_write> spoilt: atomic<u32>;

fn unpack(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

// What a mask leaves of a vec4; never a product, so that a dropped NaN does no harm.
fn kept(d: vec4<f32>, plane: u32, i: u32) -> vec4<f32> {
  let bits = masks[plane + (i >> 3u)] >> ((i & 7u) << 2u);
  return select(vec4<f32>(), d, (vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>());
}

fn unfinite(w: vec4<f32>) -> bool {
  // By the exponent: `x != x` may be folded away.
  return any((bitcast<vec4<u32>>(w) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u));
}

fn put(i: u32, left: u32, w: vec4<f32>) {
  STORE
  if (unfinite(w)) { atomicOr(&spoilt, 1u); }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = wid.x + wid.y * 65535u;
  if (group >= part.tiles) { return; }
  let tile = tiles[part.first_tile + group];
  let row = tile.z * COLUMNSu;
  let i0 = tile.x + lane;
  let i1 = i0 + 64u;
  let i2 = i0 + 128u;
  let i3 = i0 + 192u;
  var w0 = vec4<f32>();
  var w1 = vec4<f32>();
  var w2 = vec4<f32>();
  var w3 = vec4<f32>();
  let c = table[row];
  if (c != 0.0) {
    w0 = c * base[i0];
    w1 = c * base[i1];
    w2 = c * base[i2];
    w3 = c * base[i3];
  }
  DIRECTIONS
  // Past the tile's end lies the next segment: read in vain, never written.
  let at = i0 - part.shift;
  let left = tile.y - min(tile.y, 4u * lane);
  if (left > 768u) {
    put(at, left, w0);
    put(at + 64u, left - 256u, w1);
    put(at + 128u, left - 512u, w2);
    put(at + 192u, left - 768u, w3);
    return;
  }
  if (left > 0u) { put(at, left, w0); }
  if (left > 256u) { put(at + 64u, left - 256u, w1); }
  if (left > 512u) { put(at + 128u, left - 512u, w2); }
}
