// common: grid
// fill/range (webgpu)
// Math      y[i] = start + i step
// Shapes    y [n]
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32: i is exact below 2^24

struct Params {
  n: u32,
  start: f32,
  step: f32,
}

@group(0) @binding(0) var<storage, read_write> y: array<vec4<value>>;  // [n]
@group(0) @binding(1) var<uniform> params: Params;

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
  y[i] = vec4<value>(params.start + vec4<f32>(4u * i + vec4(0u, 1u, 2u, 3u)) * params.step);
}
