// common: binary, grid
// elementwise/binary (webgpu)
// Math      y[i] = f(a[i], b[i]); f by its code in functions.ts
// Shapes    a, b, y [n]
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  f32; rounds once

struct Params {
  n: u32,
  f: u32,
}

@group(0) @binding(0) var<storage, read> a: array<vec4<value>>;        // [n]
@group(0) @binding(1) var<storage, read> b: array<vec4<value>>;        // [n]
@group(0) @binding(2) var<storage, read_write> y: array<vec4<value>>;  // [n]
@group(0) @binding(3) var<uniform> params: Params;

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
  y[i] = vec4<value>(combine(params.f, vec4<f32>(a[i]), vec4<f32>(b[i])));
}
