// A DARE mask, one word (32 elements of the graph's layout) a thread. The rule: bernoulli.cpu.ts. Follows philox.wgsl.
struct Mask {
  words: u32, // words of this piece
  first_word: u32, // where they go
  length: u32, // elements of the piece
  offset: u32, // of the piece within its tensor, a multiple of 1,024
  rows: u32, // 0: the checkpoint's layout is the graph's
  columns: u32,
  name: vec2<u32>,
  key: vec2<u32>,
  below: u32, // kept where (word >> 8) < below
}
@group(0) @binding(0) var<uniform> mask: Mask;
@group(0) @binding(1) var<storage, read_write> bits: array<u32>;

fn four(block: u32) -> vec4<bool> {
  let words = philox(vec4<u32>(block, mask.name, 0x4d41534bu), mask.key);
  return (words >> vec4<u32>(8u)) < vec4<u32>(mask.below);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let word = (wid.x + wid.y * 65535u) * 64u + lane;
  if (word >= mask.words) { return; }
  let first = mask.offset + 32u * word;
  let count = min(32u, mask.length - 32u * word);
  var keep = 0u;
  if (mask.rows == 0u) {
    for (var i = 0u; i < 8u; i++) {
      let kept = select(vec4<u32>(), vec4<u32>(1u, 2u, 4u, 8u), four((first >> 2u) + i));
      keep |= (kept.x | kept.y | kept.z | kept.w) << (4u * i);
    }
  } else {
    var row = first / mask.columns;
    var column = first % mask.columns;
    for (var i = 0u; i < count; i++) {
      let index = column * mask.rows + row; // in the checkpoint
      if (four(index >> 2u)[index & 3u]) { keep |= 1u << i; }
      column++;
      if (column == mask.columns) {
        column = 0u;
        row++;
      }
    }
  }
  if (count < 32u) { keep &= (1u << count) - 1u; }
  bits[mask.first_word + word] = keep;
}
