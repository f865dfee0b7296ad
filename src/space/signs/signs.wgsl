// Elements at which some vector is positive and another negative: one count a tile, as signs.cpu.ts defines it.
struct Signs {
  tiles: u32,
  stride: u32, // vec4 in a slab
  vectors: u32, // the first of the dense directions
  lows: u32, // and the first of the low-rank ones
  segments: u32,
}
@group(0) @binding(0) var<uniform> signs: Signs;
@group(0) @binding(1) var<storage, read> deltas: array<DELTA>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;
@group(0) @binding(4) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> places: array<vec4<u32>>;
// LOWRANK

fn unpack(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

var<workgroup> lanes: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = wid.x + wid.y * 65535u;
  var found = vec4<u32>();
  if (group < signs.tiles) {
    let tile = tiles[group];
    for (var i = lane; 4u * i < tile.y; i += 64u) { // padding is zero, which has no sign
      var up = vec4<u32>();
      var down = vec4<u32>();
      for (var v = 0u; v < signs.vectors + signs.lows; v++) {
        var value: vec4<f32>;
        if (v < signs.vectors) { value = LOAD(deltas[v * signs.stride + tile.x + i]); }
        else { value = LOW; }
        // By their bits: a comparison may take the smallest numbers for zero.
        let bits = bitcast<vec4<u32>>(value);
        let some = select(vec4<u32>(), vec4<u32>(1u), (bits & vec4<u32>(0x7fffffffu)) != vec4<u32>());
        up |= some & ~(bits >> vec4<u32>(31u));
        down |= some & (bits >> vec4<u32>(31u));
      }
      found += up & down;
    }
  }
  lanes[lane] = found.x + found.y + found.z + found.w;
  for (var stride = 32u; stride > 0u; stride >>= 1u) {
    workgroupBarrier();
    if (lane < stride) { lanes[lane] += lanes[lane + stride]; }
  }
  if (lane == 0u && group < signs.tiles) { counts[group] = lanes[0]; }
}
