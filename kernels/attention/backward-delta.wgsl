// common: attention, grid
// attention/backward delta (webgpu): the first launch of the pass, for those that follow
// Math      delta[b,h,i] = sum_d dy[b,i,h,d] y[b,i,h,d]
// Shapes    dy, y [B,L,H,D] · scratch: behind the prefix (prefix.wgsl) delta [B,H,L] f32
// Tiling    a thread owns a row
// Launch    grid (B H L / WORKGROUP) folded, WORKGROUP threads
// Numerics  f32, in the order of d; reads the stored y, so a half type's rounding of y is part of it

struct Params {
  B: u32,
  L: u32,
  S: u32,
  H: u32,
  G: u32,
  D: u32,
  P: u32,
  causal: u32,
  scale: f32,
  dropout: f32,
  sequence: u32,
  hasMask: u32,
  hasPrefix: u32,
  qPitch: u32,
  kvPitch: u32,
  qOffset: u32,
  kOffset: u32,
  vOffset: u32,
  kvCapacity: u32,
  BFirst: u32,
  BWhole: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;            // [B,L,H,D]
@group(0) @binding(1) var<storage, read> y: array<value>;             // [B,L,H,D]
@group(0) @binding(2) var<storage, read_write> scratch: array<f32>;   // prefix keys and values [P,G,D], delta [B,H,L]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = folded_index(group, groups) * WORKGROUP + lane;
  if (row >= params.B * params.H * params.L) {
    return;
  }
  let at = result_row(row / params.L / params.H, row % params.L, row / params.L % params.H);

  var sum = 0.0;
  for (var d = 0u; d < params.D; d++) {
    sum += f32(dy[at + d]) * f32(y[at + d]);
  }
  scratch[delta_row(params.BFirst * params.H * params.L + row)] = sum;
}
