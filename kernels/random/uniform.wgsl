// common: grid, philox
// random/uniform (webgpu)
// Math      y[i] = low + (high - low) u[i]; u uniform in [0, 1), 24 bits
// Shapes    random u32[4] · y [n]
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  u is exact; f32, rounds once

struct Params {
  n: u32,
  low: f32,
  high: f32,
  sequence: u32,
  nFirst: u32,
  nWhole: u32,
}

@group(0) @binding(0) var<uniform> random: vec4<u32>;                  // [4]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<value>>;  // [n]
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  if (i >= (params.n + 3u) / 4u) {
    return;
  }
  let u = uniform_values(random_words(params.nFirst + 4u * i, params.sequence, random));
  y[i] = vec4<value>(params.low + (params.high - params.low) * u);
}
