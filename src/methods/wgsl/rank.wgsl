// Chances of the elements of a row by the rank of |x|: a bitonic sort a row, one workgroup each, in a scratch of pairs
// (bits of |x|, complement of the index): the order of sparsify/rank.ts. Follows the Parameters of formula.ts.
@group(0) @binding(1) var<storage, read> values: array<f32>; // of all rows in memory
@group(0) @binding(2) var<storage, read_write> pairs: array<vec2<u32>>; // [rows][padded]
@group(0) @binding(3) var<storage, read> below: array<u32>; // by rank
@group(0) @binding(4) var<storage, read_write> chances: array<u32>;

fn after(a: vec2<u32>, b: vec2<u32>) -> bool {
  return a.x > b.x || (a.x == b.x && a.y > b.y);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = wid.x + wid.y * 65535u;
  let live = row < p.tiles;
  let base = row * p.padded;
  for (var i = lane; live && i < p.padded; i += 256u) {
    // Padding sorts behind every element: no index has the complement 0xffffffff twice, and no |x| these bits.
    var pair = vec2<u32>(0xffffffffu, i);
    if (i < p.columns) { pair = vec2<u32>(bitcast<u32>(values[(p.rank_row + row) * p.columns + i]) & 0x7fffffffu, ~i); }
    pairs[base + i] = pair;
  }
  for (var width = 2u; width <= p.padded; width <<= 1u) {
    for (var step = width >> 1u; step > 0u; step >>= 1u) {
      storageBarrier();
      for (var i = lane; live && i < p.padded; i += 256u) {
        let other = i ^ step;
        if (other > i) {
          let a = pairs[base + i];
          let b = pairs[base + other];
          if (after(a, b) == ((i & width) == 0u)) {
            pairs[base + i] = b;
            pairs[base + other] = a;
          }
        }
      }
    }
  }
  storageBarrier();
  for (var rank = lane; live && rank < p.columns; rank += 256u) {
    chances[p.chances + (p.rank_row + row) * p.columns + ~pairs[base + rank].y] = below[rank];
  }
}
