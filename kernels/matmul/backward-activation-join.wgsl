// common: grid
// matmul/backward-activation, last launch (webgpu)
// Math      dbias[n] = sum over blocks of partial[c,n]
// Shapes    dbias [N] · partial [blocks,N] f32
// Launch    grid (N / WORKGROUP) folded, WORKGROUP threads: one for each column
// Numerics  f32, blocks in order; stores round once

struct Params {
  T: u32,
  N: u32,
  activation: u32,
  hasDbias: u32,
}

@group(0) @binding(0) var<storage, read_write> dbias: array<value>;  // [N]
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;  // [blocks,N], only read
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = folded_index(group, groups) * WORKGROUP + lane;
  if (n >= params.N) {
    return;
  }

  var sum = 0.0;
  for (var block = 0u; block * BLOCK < params.T; block++) {
    sum += partial[block * params.N + n];
  }
  dbias[n] = value(sum);
}
