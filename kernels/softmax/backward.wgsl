// common: grid, reduce, exp
// softmax/backward (webgpu)
// Math      dx[t,c] = y[t,c] * (dy[t,c] - Σ_c dy y);  when `log`: dx[t,c] = dy[t,c] - exp(y[t,c]) * Σ_c dy
// Shapes    dy, y, dx [T,C]
// Method    per row: the sum in one pass, then dx in a second over a row that stays in cache
// Tiling    a workgroup owns a row; a thread owns every WORKGROUP-th element
// Launch    grid (T) folded, WORKGROUP threads
// Numerics  f32; the order of the sum depends on C and WORKGROUP only; stores round once

struct Params {
  T: u32,
  C: u32,
  log: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<value>;        // [T,C]
@group(0) @binding(1) var<storage, read> y: array<value>;         // [T,C]
@group(0) @binding(2) var<storage, read_write> dx: array<value>;  // [T,C]
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = folded_index(group, groups);
  if (t >= params.T) {
    return;
  }
  let row = t * params.C;

  var along = 0.0;
  for (var c = lane; c < params.C; c += WORKGROUP) {
    along += f32(dy[row + c]) * select(f32(y[row + c]), 1.0, params.log == 1u);
  }
  let sum = workgroup_sum(along, lane);

  for (var c = lane; c < params.C; c += WORKGROUP) {
    let g = f32(dy[row + c]);
    let v = f32(y[row + c]);
    if (params.log == 1u) {
      dx[row + c] = value(g - exp_or_zero(v) * sum);
    } else {
      dx[row + c] = value(v * (g - sum));
    }
  }
}
