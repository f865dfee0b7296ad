// 64 sums a tile (1,024 elements of one tensor), lane by lane, in the order that reduce.cpu.ts defines; tree.wgsl adds them up.
struct Pair {
  first: u32, // tile
  some: u32, // tiles from there on
  stride: u32, // vec4 in a slab
  kind: u32, // 0: Σ a·b, 1: Σ|a|, 2: how many a are 0
  // 0: base, else 1 + dense direction, and behind those, low-rank ones; 0: whole, else 1 + mask plane
  a: vec2<u32>,
  b: vec2<u32>,
  dense: u32, // dense directions
  segments: u32,
}
@group(0) @binding(0) var<uniform> pair: Pair;
@group(0) @binding(1) var<storage, read> base: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> deltas: array<DELTA>;
@group(0) @binding(3) var<storage, read> masks: array<u32>;
@group(0) @binding(4) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> lanes: array<f32>;
@group(0) @binding(6) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> places: array<vec4<u32>>;
// LOWRANK

fn unpack(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

fn column(which: vec2<u32>, i: u32, tile: vec4<u32>) -> vec4<f32> {
  if (which.x == 0u) { return base[i]; }
  var d: vec4<f32>;
  if (which.x > pair.dense) { d = LOW; }
  else { d = LOAD(deltas[(which.x - 1u) * pair.stride + i]); }
  if (which.y == 0u) { return d; }
  let bits = masks[(which.y - 1u) * (pair.stride >> 3u) + (i >> 3u)] >> ((i & 7u) << 2u);
  return select(vec4<f32>(), d, (vec4<u32>(bits) & vec4<u32>(1u, 2u, 4u, 8u)) != vec4<u32>());
}

// 1 for each 0 among the first `left`. By their bits: a comparison may take the smallest numbers for zero.
fn zeros(a: vec4<f32>, left: u32) -> vec4<f32> {
  let none = (bitcast<vec4<u32>>(a) & vec4<u32>(0x7fffffffu)) == vec4<u32>();
  return select(vec4<f32>(), vec4<f32>(1.0), none & (vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(left)));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = wid.x + wid.y * 65535u;
  if (group >= pair.some) { return; }
  let tile = tiles[pair.first + group];
  var sum = vec4<f32>();
  for (var i = lane; 4u * i < tile.y; i += 64u) {
    let a = column(pair.a, tile.x + i, tile); // padding is zero
    if (pair.kind == 1u) { sum += abs(a); } else if (pair.kind == 2u) { sum += zeros(a, tile.y - 4u * i); } else { sum += a * column(pair.b, tile.x + i, tile); }
  }
  lanes[64u * group + lane] = (sum.x + sum.y) + (sum.z + sum.w);
}
