// 64 lanes of a tile, halves onto halves, a thread a sum. Lanes come through memory: a barrier in the kernel that fills them makes it, on
// adapters in software, six times as slow.
struct Lanes {
  first: u32, // tile
  some: u32, // tiles whose lanes there are
  tiles: u32, // of the slab
  sums: u32, // of a tile
  out: u32, // first partial
}
@group(0) @binding(0) var<uniform> job: Lanes;
@group(0) @binding(1) var<storage, read> lanes: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let i = 64u * (wid.x + wid.y * 65535u) + lane;
  if (i >= job.some * job.sums) { return; }
  var s: array<vec4<f32>, 16>;
  for (var k = 0u; k < 16u; k++) { s[k] = lanes[16u * i + k]; }
  for (var half = 8u; half > 0u; half >>= 1u) {
    for (var k = 0u; k < half; k++) { s[k] += s[k + half]; }
  }
  partials[job.out + (i / job.some) * job.tiles + job.first + i % job.some] = (s[0].x + s[0].z) + (s[0].y + s[0].w);
}
