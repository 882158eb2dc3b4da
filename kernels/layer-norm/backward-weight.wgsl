// layer-norm/backward-weight (webgpu): sums of blocks of rows
// Math      dweight[c] = Σ_t dy[t,c] * (x[t,c] - mean[t]) * rstd[t];  dbias[c] = Σ_t dy[t,c]
// Shapes    dy, x [T,C] · mean, rstd [T] f32 · scratch [blocks,2,C] f32
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
@group(0) @binding(2) var<storage, read> mean: array<f32>;           // [T]
@group(0) @binding(3) var<storage, read> rstd: array<f32>;           // [T]
@group(0) @binding(4) var<storage, read_write> scratch: array<f32>;  // [blocks,2,C]
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * WORKGROUP + lane;
  if (c >= params.C) {
    return;
  }
  let first = group.y * ROWS;
  let last = min(first + ROWS, params.T);

  var dweight = 0.0;
  var dbias = 0.0;
  for (var t = first; t < last; t++) {
    let g = f32(dy[t * params.C + c]);
    dweight += g * ((f32(x[t * params.C + c]) - mean[t]) * rstd[t]);
    dbias += g;
  }

  let at = (params.TFirst / ROWS + group.y) * 2u * params.C + c;
  scratch[at] = dweight;
  scratch[at + params.C] = dbias;
}
