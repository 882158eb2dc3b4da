// common: activation, grid
// matmul/backward-activation, first launch (webgpu)
// Math      dpreactivation[t,n] = dy[t,n] act'(preactivation[t,n]);  partial[c,n] = its sum over block c of BLOCK rows
// Shapes    dy, preactivation, dpreactivation [T,N] · partial [blocks,N] f32, written with hasDbias
// Tiling    a workgroup owns WORKGROUP columns of a block, a thread one of them
// Launch    grid (blocks × column tiles) folded, WORKGROUP threads
// Numerics  f32, rows in order; sums take the values before they are rounded for storage

struct Params {
  T: u32,
  N: u32,
  activation: u32,
  hasDbias: u32,
  TFirst: u32,
  TWhole: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;                    // [T,N]
@group(0) @binding(1) var<storage, read> preactivation: array<value>;         // [T,N]
@group(0) @binding(2) var<storage, read_write> dpreactivation: array<value>;  // [T,N]
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;           // [blocks,N]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let tiles = (params.N + WORKGROUP - 1u) / WORKGROUP;
  let tile = folded_index(group, groups);
  let n = tile % tiles * WORKGROUP + lane;
  let block = tile / tiles;
  let begin = block * BLOCK;
  if (n >= params.N || begin >= params.T) {
    return;
  }
  let end = min(params.T, begin + BLOCK);

  var sum = 0.0;
  for (var t = begin; t < end; t++) {
    let i = t * params.N + n;
    let d = f32(dy[i]) * activation_derivative(params.activation, f32(preactivation[i]));
    dpreactivation[i] = value(d);
    sum += d;
  }
  if (params.hasDbias == 1u) {
    partial[(params.TFirst / BLOCK + block) * params.N + n] = sum;
  }
}
