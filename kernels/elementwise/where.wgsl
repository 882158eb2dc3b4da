// common: grid
// elementwise/where (webgpu)
// Math      y[i] = condition[i] != 0 ? a[i] : b[i]
// Shapes    condition [n] i32 · a, b, y [n]
// Tiling    a thread owns four neighbouring elements; those past the end fall into the padding of the buffers
// Launch    grid (ceil(n / 4 WORKGROUP)) folded, WORKGROUP threads
// Numerics  moves bits

struct Params {
  n: u32,
}

@group(0) @binding(0) var<storage, read> condition: array<vec4<i32>>;  // [n]
@group(0) @binding(1) var<storage, read> a: array<vec4<word>>;         // [n]
@group(0) @binding(2) var<storage, read> b: array<vec4<word>>;         // [n]
@group(0) @binding(3) var<storage, read_write> y: array<vec4<word>>;   // [n]
@group(0) @binding(4) var<uniform> params: Params;

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
  y[i] = select(b[i], a[i], condition[i] != vec4(0));
}
