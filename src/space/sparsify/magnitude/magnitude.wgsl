// Radix select on the key (|bits|, lower checkpoint index first): keys differ, so the count is exact. Eight digits of
// eight bits, the highest first; `count` fills a histogram of the digit, `pick` goes down it, `keep` writes the mask.
struct Tensor {
  tiles: u32,
  first_tile: u32,
  start: u32, // first vec4 of the dense direction in `deltas`
  digit: u32, // 0..3 of |bits|, 4..7 of the index
  rows: u32, // 0: the checkpoint's layout is the graph's
  columns: u32,
  words: u32, // `keep`: mask words of this piece, where they go, and the piece
  first_word: u32,
  at: u32, // first element of the piece in the slab
  offset: u32, // and in its tensor
  length: u32,
}
struct State {
  size: u32, // the digits picked so far
  index: u32, // likewise, of the complement of the index
  wanted: u32,
}
@group(0) @binding(0) var<uniform> tensor: Tensor;
@group(0) @binding(1) var<storage, read> deltas: array<DELTA>;
@group(0) @binding(2) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> histogram: array<atomic<u32>, 256>;
@group(0) @binding(4) var<storage, read_write> state: State;
@group(0) @binding(5) var<storage, read_write> bits: array<u32>;

fn unpack(halves: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}

fn sizes(i: u32) -> vec4<u32> {
  return bitcast<vec4<u32>>(LOAD(deltas[tensor.start + i])) & vec4<u32>(0x7fffffffu);
}

// Complement of the checkpoint index: the lower index is the larger key.
fn order(element: u32) -> u32 {
  if (tensor.rows == 0u) { return ~element; }
  return ~((element % tensor.columns) * tensor.rows + element / tensor.columns);
}

var<workgroup> bins: array<atomic<u32>, 256>;

fn tally(size: u32, element: u32) {
  let shift = 24u - 8u * (tensor.digit & 3u);
  var key = size;
  if (tensor.digit >= 4u) {
    if (size != state.size) { return; }
    key = order(element);
  }
  let picked = select(state.size, state.index, tensor.digit >= 4u);
  // Higher digits must be the picked ones; shifting by 32 is not defined, so the first digit goes without.
  if (shift < 24u && (key >> (shift + 8u)) != (picked >> (shift + 8u))) { return; }
  atomicAdd(&bins[(key >> shift) & 255u], 1u);
}

@compute @workgroup_size(64)
fn count(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = wid.x + wid.y * 65535u;
  if (group < tensor.tiles) {
    let tile = tiles[tensor.first_tile + group];
    for (var i = lane; 4u * i < tile.y; i += 64u) {
      let four = sizes(tile.x + i);
      for (var j = 0u; j < 4u && 4u * i + j < tile.y; j++) { tally(four[j], tile.w + 4u * i + j); }
    }
  }
  workgroupBarrier();
  for (var bin = lane; bin < 256u; bin += 64u) {
    let n = atomicLoad(&bins[bin]);
    if (n > 0u) { atomicAdd(&histogram[bin], n); }
  }
}

@compute @workgroup_size(1)
fn pick() {
  var bin = 255u;
  var wanted = state.wanted;
  for (; bin > 0u; bin--) {
    let n = atomicLoad(&histogram[bin]);
    if (n >= wanted) { break; }
    wanted -= n;
  }
  state.wanted = wanted;
  let shift = 24u - 8u * (tensor.digit & 3u);
  if (tensor.digit < 4u) { state.size |= bin << shift; } else { state.index |= bin << shift; }
  for (var i = 0u; i < 256u; i++) { atomicStore(&histogram[i], 0u); }
}

@compute @workgroup_size(64)
fn keep(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let word = (wid.x + wid.y * 65535u) * 64u + lane;
  if (word >= tensor.words) { return; }
  var kept = 0u;
  for (var i = 0u; i < 8u; i++) {
    let four = sizes(tensor.at / 4u + 8u * word + i);
    for (var j = 0u; j < 4u; j++) {
      let element = 32u * word + 4u * i + j;
      if (element >= tensor.length) { break; }
      if (four[j] > state.size || (four[j] == state.size && order(tensor.offset + element) >= state.index)) { kept |= 1u << (4u * i + j); }
    }
  }
  bits[tensor.first_word + word] = kept;
}
