// rms-norm/backward-weight (webgpu): sums of blocks of rows
// Math      dweight[c] = Σ_t dy[t,c] * x[t,c] * rstd[t]
// Shapes    dy, x [T,C] · rstd [T] f32 · scratch [blocks,C] f32
// Method    here the sums over ROWS rows; backward-weight-join.wgsl adds up the blocks
// Tiling    a workgroup owns WORKGROUP columns of a block, a thread one: neighbours read neighbours
// Launch    grid (column tiles, blocks), WORKGROUP threads
// Numerics  f32; the order of the sums depends on T only
// Limits    T below 4 million: 65,535 blocks

struct Params {
  T: u32,
  C: u32,
  TFirst: u32,
  TWhole: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;           // [T,C]
@group(0) @binding(1) var<storage, read> x: array<value>;            // [T,C]
@group(0) @binding(2) var<storage, read> rstd: array<f32>;           // [T]
@group(0) @binding(3) var<storage, read_write> scratch: array<f32>;  // [blocks,C]
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * WORKGROUP + lane;
  if (c >= params.C) {
    return;
  }
  let first = group.y * ROWS;
  let last = min(first + ROWS, params.T);

  var sum = 0.0;
  for (var t = first; t < last; t++) {
    sum += f32(dy[t * params.C + c]) * (f32(x[t * params.C + c]) * rstd[t]);
  }

  scratch[(params.TFirst / ROWS + group.y) * params.C + c] = sum;
}
