// common: grid
// matmul/backward-bias, first launch (webgpu)
// Math      partial[c,n] = sum of dy[t,n] over block c of BLOCK rows
// Shapes    dy [T,N] · partial [blocks,N] f32
// Tiling    a workgroup owns WORKGROUP columns of a block, a thread one of them
// Launch    grid (blocks × column tiles) folded, WORKGROUP threads
// Numerics  f32, rows in order

struct Params {
  T: u32,
  N: u32,
  accumulate: u32,
  TFirst: u32,
  TWhole: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;           // [T,N]
@group(0) @binding(1) var<storage, read_write> partial: array<f32>;  // [blocks,N]
@group(0) @binding(2) var<uniform> params: Params;

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
    sum += f32(dy[t * params.N + n]);
  }
  partial[(params.TFirst / BLOCK + block) * params.N + n] = sum;
}
