// common: grid
// ceiling/copy (webgpu)
// Math      y[i] = x[i]
// Shapes    x, y [n] f32
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;        // [n]
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;  // [n]
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
  y[i] = x[i];
}
