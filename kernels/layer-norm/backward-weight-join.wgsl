// layer-norm/backward-weight (webgpu): blocks joined
// Math      dweight[c], dbias[c] = Σ over blocks of rows of the two sums that backward-weight.wgsl left
// Shapes    dweight, dbias [C] · scratch [blocks,2,C] f32
// Tiling    a thread owns a column
// Launch    grid (column tiles), WORKGROUP threads
// Numerics  f32, blocks in order; no rows give zeros

struct Params {
  T: u32,
  C: u32,
}

@group(0) @binding(0) var<storage, read_write> dweight: array<value>;  // [C]
@group(0) @binding(1) var<storage, read_write> dbias: array<value>;    // [C]
@group(0) @binding(2) var<storage, read_write> scratch: array<f32>;    // [blocks,2,C]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let c = group.x * WORKGROUP + lane;
  if (c >= params.C) {
    return;
  }

  var weight_sum = 0.0;
  var bias_sum = 0.0;
  let blocks = (params.T + ROWS - 1u) / ROWS;
  for (var block = 0u; block < blocks; block++) {
    let at = block * 2u * params.C + c;
    weight_sum += scratch[at];
    bias_sum += scratch[at + params.C];
  }

  dweight[c] = value(weight_sum);
  dbias[c] = value(bias_sum);
}
