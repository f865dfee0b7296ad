// The yardstick of the benches: one stream in, one out. Each thread moves four vec4.
@group(0) @binding(0) var<storage, read> source: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> target_: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let first = (wid.x + wid.y * 65535u) * 256u + lane;
  let n = arrayLength(&target_);
  if (first + 192u < n) {
    target_[first] = source[first];
    target_[first + 64u] = source[first + 64u];
    target_[first + 128u] = source[first + 128u];
    target_[first + 192u] = source[first + 192u];
    return;
  }
  for (var i = first; i < n; i += 64u) { target_[i] = source[i]; }
}
