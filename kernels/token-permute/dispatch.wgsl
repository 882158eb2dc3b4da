// common: grid, routing
// token-permute/dispatch (webgpu)
// Math      y[r] = x[token of r]; zero from the last row kept on
// Shapes    x [T,C] · lists [L] i32 · y [R,C]
// Tiling    a thread owns an element of y: neighbours copy neighbours, and share the row's entry of the lists
// Launch    grid (R C / WORKGROUP) folded, WORKGROUP threads
// Numerics  every bit is kept
// Limits    R C below 2^32; x and y each within one binding

struct Params {
  T: u32,
  E: u32,
  K: u32,
  R: u32,
  C: u32,
  L: u32,
}

@group(0) @binding(0) var<storage, read> x: array<word>;        // [T,C]
@group(0) @binding(1) var<storage, read> lists: array<i32>;     // [L]
@group(0) @binding(2) var<storage, read_write> y: array<word>;  // [R,C]
@group(0) @binding(3) var<uniform> params: Params;

fn expert_count() -> u32 {
  return params.E;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = folded_index(group, groups) * WORKGROUP + lane;
  let row = i / params.C;
  if (row >= params.R) {
    return;
  }
  if (row >= offset_of(params.E)) {
    y[i] = word();
    return;
  }
  y[i] = x[choice_of(row) / params.K * params.C + i % params.C];
}
