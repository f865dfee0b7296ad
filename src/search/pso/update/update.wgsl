// A move of one particle over one slab, in place: update.cpu.ts says what. A tile a workgroup, four vec4 a thread.
// Follows philox.wgsl. update.ts fills in TABLE and MOVE: one pair of factors a tensor, or a pair an element by its own hash.
struct Move {
  tiles: u32,
  factors: u32, // first pair of this particle
  particle: u32,
  step: u32,
  key: vec2<u32>,
  inertia: f32,
  cognitive: f32,
  social: f32,
}
@group(0) @binding(0) var<uniform> rule: Move;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> pbest: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> gbest: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> tiles: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read> table: array<TABLE>; // (c1 r1, c2 r2), or (rows or 0, columns, start, 0), a tensor
@group(0) @binding(7) var<storage, read_write> spoilt: array<atomic<u32>>; // a word a particle

fn draw(which: u32, index: vec4<u32>) -> vec4<f32> {
  let words = vec4<u32>(
    philox(vec4<u32>(rule.step, rule.particle, which, index.x), rule.key).x,
    philox(vec4<u32>(rule.step, rule.particle, which, index.y), rule.key).x,
    philox(vec4<u32>(rule.step, rule.particle, which, index.z), rule.key).x,
    philox(vec4<u32>(rule.step, rule.particle, which, index.w), rule.key).x,
  );
  return vec4<f32>(words >> vec4<u32>(8u)) * 0x1p-24f;
}

// Index in the space, by the checkpoint's layout, of four elements of a tensor.
fn place(geometry: vec4<u32>, first: u32) -> vec4<u32> {
  let element = vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u);
  if (geometry.x == 0u) { return geometry.z + element; }
  return geometry.z + (element % geometry.y) * geometry.x + element / geometry.y;
}

fn advance(i: u32, a: vec4<f32>, b: vec4<f32>) {
  let at = x[i];
  let speed = rule.inertia * v[i] + (a * (pbest[i] - at) + b * (gbest[i] - at));
  let now = at + speed;
  v[i] = speed;
  x[i] = now;
  if (any((bitcast<vec4<u32>>(now) & vec4<u32>(0x7f800000u)) == vec4<u32>(0x7f800000u))) {
    atomicOr(&spoilt[rule.particle], 1u);
  }
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let group = wid.x + wid.y * 65535u;
  if (group >= rule.tiles) { return; }
  let tile = tiles[group];
  MOVE
}
